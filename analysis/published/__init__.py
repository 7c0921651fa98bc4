"""A study beside the published runs of its task: the published values as data, the comparison, the order of conditions.

README.md in this folder names the source. Nothing here is for a task without published values: `beside` is then None.
"""

from analysis.published.beside import ConditionComparison, PublishedComparison, beside, compare
from analysis.published.data import CITATION, PublishedTask, published_task
from analysis.published.order import Order, order
from analysis.published.settings import Setting

__all__ = [
    "CITATION",
    "ConditionComparison",
    "Order",
    "PublishedComparison",
    "PublishedTask",
    "Setting",
    "beside",
    "compare",
    "order",
    "published_task",
]
