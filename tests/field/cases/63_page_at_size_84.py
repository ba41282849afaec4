"""openai/gym#1796 (84 x 84, as Atari's preprocessing makes them), wkentaro/video-cli#2: a world of one's own at size=84, to its page."""
import re

from _case import SCRATCH, SHORT, Walk, ft, register, told, verdict


def whole():
    from forethought.report.run_report import show_run

    store = ft.collect(register(Walk), out=SCRATCH / "s", episodes=30, workers=0, options={"size": 84}, progress=False)
    ft.train(store, out=SCRATCH / "r", config=SHORT)
    return show_run(SCRATCH / "r", tasks=2).read_text()


kind, what = told(whole)
videos = len(re.findall("<video", what)) if kind == "value" else 0
verdict(kind == "value" and videos > 0, f"{kind}: {videos} videos {'' if kind == 'value' else what}")
