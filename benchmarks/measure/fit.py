"""How a cost grows with a size: the exponent k of cost = c * size**k, by least squares over the logarithms."""

import math
import statistics
from collections.abc import Mapping


def exponent(costs: Mapping[int, float]) -> float:
    """0 is no growth, 1 is linear, 2 is square. Sizes and costs are positive, and there are at least two."""
    sizes = [math.log(size) for size in costs]
    return statistics.linear_regression(sizes, [math.log(cost) for cost in costs.values()]).slope


def last_exponent(costs: Mapping[int, float]) -> float:
    """The same between the two largest sizes: a constant that hides growth hides it least there."""
    largest = sorted(costs)[-2:]
    return exponent({size: costs[size] for size in largest})
