"""`models.limits.plan_orders` the slow way: one account, one symbol at a time, plain numbers.

Written from the rules as the function documents them, with none of its code.
"""

import math

SHORT_LIMIT = 1 / (2.0 * 1.01 - 1)  # prices double, buying back costs 1 %
SLACK = 1e-9


def capped(weights, caps, gross):
    """Clipped to the caps, scaled to the gross cap, shorts scaled to their limit."""
    clipped = [max(-cap, min(cap, weight)) for weight, cap in zip(weights, caps, strict=True)]
    total = sum(abs(weight) for weight in clipped)
    if total > gross:
        clipped = [weight * gross / total for weight in clipped]
    return shorts_within(clipped, SHORT_LIMIT, SHORT_LIMIT)


def shorts_within(weights, limit, goal):
    """All shorts scaled alike to `goal` if they sum above `limit`."""
    total = sum(-weight for weight in weights if weight < 0)
    if total <= limit:
        return weights
    return [weight * goal / total if weight < 0 else weight for weight in weights]


def side(weight):
    return 0 if abs(weight) <= SLACK else math.copysign(1, weight)


def plan(targets, held, prices, equity, caps, gross, buffer, band, lot):
    """Orders of one account, a list of numbers of shares."""
    if equity <= 0:
        return [-whole(shares, lot) for shares in held]
    current = [shares * price / equity for shares, price in zip(held, prices, strict=True)]
    asked = [c if math.isnan(t) else t for t, c in zip(targets, current, strict=True)]
    wanted = [weight * (1 - buffer) for weight in capped(asked, caps, gross)]

    final, kept = [], []
    for target, now, then, cap in zip(targets, current, wanted, caps, strict=True):
        allowed = -min(cap, SHORT_LIMIT) * (1 + SLACK) <= now <= cap * (1 + SLACK)
        near = side(now) == side(then) and abs(then - now) <= max(band * cap, SLACK)
        kept.append(allowed and (near or math.isnan(target)))
        final.append(now if kept[-1] else then)

    fitted = within_gross(final, current, gross, buffer)
    orders = []
    for i, (weight, shares) in enumerate(zip(fitted, held, strict=True)):
        if kept[i] and math.isclose(weight, final[i], rel_tol=1e-12):
            orders.append(0.0)
        else:
            goal = whole(weight * equity / prices[i] * (1 + 1e-12), lot)
            orders.append(order_towards(goal, shares, lot))
    return orders


def within_gross(final, current, gross, buffer):
    """What grows is scaled into the room that is left; then everything, if that is not enough."""
    stays = [
        math.copysign(min(abs(then), abs(now)), then) if then * now > 0 else 0.0
        for then, now in zip(final, current, strict=True)
    ]
    grows = [then - stay for then, stay in zip(final, stays, strict=True)]
    room = max(gross * (1 - buffer) - sum(map(abs, stays)), 0.0)
    asked = sum(map(abs, grows))
    if asked > room * (1 + SLACK):
        final = [stay + grow * room / asked for stay, grow in zip(stays, grows, strict=True)]
    total = sum(map(abs, final))
    if total > gross * (1 + SLACK):
        final = [weight * gross * (1 - buffer) / total for weight in final]
    return shorts_within(final, SHORT_LIMIT * (1 + SLACK), SHORT_LIMIT * (1 - buffer))


def whole(shares, lot):
    """The multiple of a lot nearest towards zero."""
    return int(shares / lot) * lot if lot else shares


def order_towards(goal, held, lot):
    """Whole lots; a reduction leaves no more than the goal, unless it would change the side."""
    change = goal - held
    if not lot:
        return change
    if change * held < 0 <= goal * held:
        lots = min(math.ceil(abs(change) / lot), math.floor(abs(held) / lot))
    else:
        lots = int(abs(change) / lot)
    return math.copysign(lots * lot, change)
