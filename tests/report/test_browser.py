"""The page in a real headless Chromium."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="needs the Debian packages chromium and chromium-driver"
)
FLAGS = ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
         "disable-component-update", "disable-sync")  # fmt: skip


@pytest.fixture(scope="module")
def browser(page_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))
    driver.get(page_path.as_uri())
    yield driver
    driver.quit()


def view(browser: webdriver.Chrome, width: int, height: int, scheme: str = "light") -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def test_sections_pictures_and_charts_are_visible(browser: webdriver.Chrome) -> None:
    view(browser, 1280, 900)
    for section in (
        "headline",
        "imagines",
        "acts",
        "success",
        "energy",
        "ahead",
        "health",
        "learning",
        "configuration",
        "made",
    ):
        assert browser.find_element("id", section).is_displayed(), section
    hidden = browser.execute_script(
        "return [...document.querySelectorAll('img, video, .chart svg, .fill')]"
        ".filter(e => { const r = e.getBoundingClientRect(); return r.width < 1 || r.height < 5; }).length"
    )
    assert hidden <= 1, "only the probe that is undefined has an empty bar"
    broken = browser.execute_script("return [...document.images].filter(i => !i.complete || i.naturalWidth === 0).length")
    assert broken == 0


def test_videos_decode(browser: webdriver.Chrome) -> None:
    videos = "[...document.querySelectorAll('video')]"
    for _ in range(100):
        if browser.execute_script(f"return {videos}.every(v => v.readyState >= 2 || v.error)"):
            break
        time.sleep(0.1)
    assert browser.execute_script(f"return {videos}.map(v => v.error && v.error.message)") == [None, None, None]
    assert browser.execute_script(f"return {videos}.map(v => v.videoWidth)") == [384, 384, 384]
    assert browser.execute_script(f"return {videos}.every(v => v.duration > 1)")


@pytest.mark.parametrize(("width", "height"), [(360, 800), (768, 1024), (1280, 900)])
def test_nothing_overflows_sideways(browser: webdriver.Chrome, width: int, height: int) -> None:
    view(browser, width, height)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    wide = browser.execute_script(
        "return [...document.querySelectorAll('main *, header *')].filter(e => !e.closest('svg') && !e.closest('.hide') && "
        "e.getBoundingClientRect().right > arguments[0] + 1).map(e => e.outerHTML.slice(0, 80))",
        width,
    )
    assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(browser: webdriver.Chrome, scheme: str) -> None:
    """WCAG 2.1, 1.4.3: a contrast of 4.5 for text, against the nearest opaque background."""
    view(browser, 1280, 900, scheme)
    faint = browser.execute_script("""
        const parts = c => c.match(/[\\d.]+/g).map(Number);
        const light = c => { const [r, g, b] = parts(c).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
            const p = parts(c); if (p.length < 4 || p[3] === 1) return c; } return 'rgb(255, 255, 255)'; };
        const found = [];
        for (const e of document.querySelectorAll('body *')) {
            const svg = e.closest('svg');
            if ((svg && e.tagName !== 'text') || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
            const style = getComputedStyle(e), ink = light(svg ? style.fill : style.color), paper = light(ground(e));
            const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            if (contrast < 4.5) found.push(e.textContent.trim().slice(0, 40) + ' ' + contrast.toFixed(2));
        }
        return found;
    """)
    assert faint == []


def test_no_console_message(browser: webdriver.Chrome) -> None:
    view(browser, 360, 800, "dark")
    assert browser.get_log("browser") == []
