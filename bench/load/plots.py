"""Plots as SVG, written by hand: rates with their spread, CPU time per purchase, latency over load."""
import math

WIDTH, LABEL, BAR = 860, 150, 22
COLOURS = {"server": "#3b6ea5", "database": "#d08c2c", "redis": "#b5483a", "generator": "#9a9a9a",
           "p50": "#3b6ea5", "p99": "#d08c2c", "p999": "#b5483a"}
RATES = ("s1_64", "s1_256", "s1k_256", "s1w_256", "s1r_256", "s1p_256", "s2_64", "s2_256", "s2p_256", "s3_256",
         "s4_256", "s5_256", "s7_256", "growth_256", "b2_256", "b5_256", "b5_lanes_256")


class Canvas:
    """SVG elements of one plot."""

    def __init__(self, height, title):
        self.height = height
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                      f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
                      f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>']
        self.text(10, 20, title, size=14)

    def text(self, x, y, words, anchor="start", size=12):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
                          f'fill="#222222">{words}</text>')

    def box(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>')

    def line(self, points, colour="#222222", width=1.5):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def legend(self, names, x, y):
        for name in names:
            self.box(x, y - 9, 10, 10, COLOURS[name])
            self.text(x + 14, y, name)
            x += 24 + 8 * len(name)

    def svg(self):
        return "\n".join([*self.parts, "</svg>"]) + "\n"


def best_of(summary, prefix):
    """The run of a client count that was the fastest, or None."""
    names = [name for name in summary if name.rpartition("_")[0] == prefix]
    return max(names, key=lambda name: summary[name]["median"], default=None)


def chosen(summary):
    baselines = [best_of(summary, prefix) for prefix in ("b0", "b1", "b1_hot")]
    return [name for name in (*RATES, *baselines) if name in summary]


def rates(summary):
    """Medians as bars, minimum and maximum as whiskers."""
    names = chosen(summary)
    canvas = Canvas(45 + len(names) * (BAR + 6), "requests per second: median, minimum and maximum")
    scale = (WIDTH - LABEL - 90) / max(summary[name]["maximum"] for name in names)
    for i, name in enumerate(names):
        row, y = summary[name], 35 + i * (BAR + 6)
        canvas.text(LABEL - 8, y + 15, name, anchor="end")
        canvas.box(LABEL, y, row["median"] * scale, BAR, "#9a9a9a" if name.startswith("b") else "#3b6ea5")
        low, high = LABEL + row["minimum"] * scale, LABEL + row["maximum"] * scale
        canvas.line([(low, y + BAR / 2), (high, y + BAR / 2)])
        canvas.text(high + 6, y + 15, f"{row['median']:.0f}")
    return canvas.svg()


def cpu(summary):
    """Stacked CPU microseconds per purchase."""
    groups = ("server", "database", "redis", "generator")
    names = [name for name in chosen(summary) if not name.startswith("b1_hot")]
    totals = {name: sum(summary[name]["cpu_us"].values()) for name in names}
    canvas = Canvas(65 + len(names) * (BAR + 6), "CPU microseconds per purchase")
    canvas.legend(groups, LABEL, 42)
    scale = (WIDTH - LABEL - 90) / max(totals.values())
    for i, name in enumerate(names):
        x, y = LABEL, 55 + i * (BAR + 6)
        canvas.text(LABEL - 8, y + 15, name, anchor="end")
        for group in groups:
            width = summary[name]["cpu_us"].get(group, 0) * scale
            canvas.box(x, y, width, BAR, COLOURS[group])
            x += width
        canvas.text(x + 6, y + 15, f"{totals[name]:.0f}")
    return canvas.svg()


def latency(summary):
    """Percentiles of the open loop over its rate, logarithmic."""
    runs = [(int(name[5:]), summary[name]["latency_ms"]) for name in summary if name.startswith("open_")]
    if not runs:
        return None
    keys = ("p50", "p99", "p999")
    values = [row[key] for _, row in runs for key in keys if row[key] > 0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 0.001)
    canvas = Canvas(330, "open loop, 64 connections: latency in ms over the share of the peak")
    canvas.legend(keys, LABEL, 42)

    def place(percent, value):
        return (80 + (percent - 20) / 80 * (WIDTH - 140),
                290 - (math.log10(max(value, 10 ** low)) - low) / max(1, high - low) * 230)

    for power in range(low, high + 1):
        y = place(20, 10 ** power)[1]
        canvas.line([(80, y), (WIDTH - 60, y)], "#dddddd", 1)
        canvas.text(72, y + 4, f"{10 ** power:g}", anchor="end")
    for percent, _ in runs:
        canvas.text(place(percent, 1)[0], 312, f"{percent} %", anchor="middle")
    runs.sort(key=lambda run: run[0])
    for key in keys:
        canvas.line([place(percent, row[key]) for percent, row in runs], COLOURS[key], 2)
    return canvas.svg()


def write(folder, summary):
    """Writes those plots that the runs suffice for, and gives their names."""
    made = {}
    if chosen(summary):
        made |= {"rates": rates(summary), "cpu": cpu(summary)}
    made["latency"] = latency(summary)
    folder.mkdir(exist_ok=True)
    for name, text in made.items():
        if text:
            (folder / f"{name}.svg").write_text(text)
    return [name for name, text in made.items() if text]
