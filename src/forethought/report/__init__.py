"""HTML report of a run: predictions, episodes, success rates, costs, training curves and the configuration.

`report_data` defines the content, `storage` saves and loads it, `page` renders it, `readme_figure` makes the README figure.
It needs the extra `page`.
"""

from forethought.extras import require_extra

require_extra("page")

from forethought.report.page import rebuild_report, write_report
from forethought.report.readme_figure import write_hero
from forethought.report.report_data import ReportMaterial
from forethought.report.storage import load_material, save_material

__all__ = ["ReportMaterial", "load_material", "rebuild_report", "save_material", "write_hero", "write_report"]
