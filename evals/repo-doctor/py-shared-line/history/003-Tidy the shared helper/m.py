def shared(x):
    return x - 3


def report(values, title="Report", width=10):
    lines = []
    lines.append(title)
    lines.append("=" * width)
    total = 0
    for index, value in enumerate(values):
        number = shared(value)
        if index % 2 == 0:
            mark = "*"
        else:
            mark = "-"
        total = total + number
        lines.append(mark + " " + str(number))
    if not values:
        lines.append("nothing")
    lines.append("=" * width)
    lines.append("total " + str(total))
    return lines


def is_small(x):
    return shared(x) < 100
