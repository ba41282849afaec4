"""The page that a run ends with. It stands above the paper's figure and shows it: what was perceived, imagined, felt and done.

`material` says what the page can show, `storage` keeps it, `page` draws it, `hero` makes the picture for the README.
"""

from forethought.report.page import rebuild_report, write_report
from forethought.report.readme_figure import write_hero
from forethought.report.report_data import ReportMaterial
from forethought.report.storage import load_material, save_material

__all__ = ["ReportMaterial", "load_material", "rebuild_report", "save_material", "write_hero", "write_report"]
