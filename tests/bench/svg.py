# SPDX-License-Identifier: BSD-2-Clause
"""Pictures of measurements, for the scripts beside this file."""


class Picture:
    """The text of an SVG file. Coordinates and sizes are pixels; y counts downwards."""

    def __init__(self, width, height, note):
        self.lines = [
            f"<!-- SPDX-License-Identifier: BSD-2-Clause. {note} -->",
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            ' font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
        ]

    def text(self, x, y, text, **attributes):
        """Writes the text, which may contain tags. text_anchor="end" sets text-anchor."""
        pairs = "".join(
            f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items()
        )
        self.lines.append(f'<text x="{x}" y="{y}"{pairs}>{text}</text>')

    def grid_line(self, left, right, y):
        """Draws a thin line from left to right."""
        self.lines.append(
            f'<line x1="{left}" x2="{right}" y1="{y}" y2="{y}" stroke="#bbb" stroke-width="0.5"/>'
        )

    def curve(self, points, colour):
        """Draws a line through the points, each of which is "x,y"."""
        self.lines.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2"'
            f' points="{" ".join(points)}"/>'
        )

    def area(self, points, colour):
        """Fills the polygon of these corners."""
        self.lines.append(f'<polygon fill="{colour}" points="{" ".join(points)}"/>')

    def write(self, path):
        """Writes the file."""
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join([*self.lines, "</svg>"]) + "\n")
