"""Tables with a column of secrets, as database clients, spreadsheets and cluster tools print them. Like `kinds`."""

from kinds import ALNUM, draw, kind, password, s

TITLES = ["password", "passwd", "user_password", "api_key", "access_token"]
NAMES = ["ann", "bob", "carol", "dave"]


def filled(r, upper=False):
    """Titles, rows of cells, and which column is secret."""
    title = r.choice(TITLES)
    titles = ["id", "name", title, "city"]
    if r.random() < 0.3:
        titles = ["name", title]
    value = password if "pass" in title else lambda r: draw(r, ALNUM, 24)
    cells = {"id": lambda at: str(at + 1), "name": lambda at: NAMES[at], "city": lambda at: r.choice(["Oslo", "Turku", "Bergen"])}
    rows = [[value(r) if name == title else cells[name](at) for name in titles] for at in range(r.randint(1, 4))]
    return [name.upper() for name in titles] if upper else titles, rows, titles.index(title)


def lines(rows, column, between, before="", after="", pad=str.ljust, widths=None):
    """The value is marked, its padding is not."""
    out = []
    for row in rows:
        cells = []
        for at, cell in enumerate(row):
            room = pad(cell, widths[at]) if widths else cell
            cells.append(room.replace(cell, s(cell)) if at == column else room)
        out.append(before + between.join(cells) + after)
    return out


def widths_of(titles, rows):
    return [max(len(row[at]) for row in [titles, *rows]) for at in range(len(titles))]


@kind("rows")
def psql_column(r):
    titles, rows, column = filled(r)
    widths = widths_of(titles, rows)
    head = " " + " | ".join(title.center(width) for title, width in zip(titles, widths)) + " "
    rule = "-" + "-+-".join("-" * width for width in widths) + "-"
    return "\n".join([head, rule, *lines(rows, column, " | ", before=" ", widths=widths), f"({len(rows)} rows)\n"])


@kind("rows")
def mysql_column(r):
    titles, rows, column = filled(r)
    widths = widths_of(titles, rows)
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    head = "| " + " | ".join(title.ljust(width) for title, width in zip(titles, widths)) + " |"
    return "\n".join([rule, head, rule, *lines(rows, column, " | ", "| ", " |", widths=widths), rule, f"{len(rows)} rows in set (0.00 sec)\n"])


@kind("rows")
def box_column(r):
    titles, rows, column = filled(r)
    widths = widths_of(titles, rows)
    head = "| " + " | ".join(title.ljust(width) for title, width in zip(titles, widths)) + " |"
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([head, rule, *lines(rows, column, " | ", "| ", " |", widths=widths), ""])


@kind("rows")
def csv_column(r):
    titles, rows, column = filled(r)
    sign = r.choice([",", ";", "\t", "|"])
    return "\n".join([sign.join(titles), *lines(rows, column, sign), ""])


@kind("rows")
def ruled_column(r):
    titles, rows, column = filled(r, upper=r.random() < 0.5)
    widths = widths_of(titles, rows)
    head = "  ".join(title.ljust(width) for title, width in zip(titles, widths))
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([head, rule, *lines(rows, column, "  ", widths=widths), "", ""])


@kind("rows")
def capitals_column(r):
    titles, rows, column = filled(r, upper=True)
    widths = widths_of(titles, rows)
    head = "   ".join(title.ljust(width) for title, width in zip(titles, widths))
    return "\n".join([head, *lines(rows, column, "   ", widths=widths), ""])


@kind("drawn")
def clickhouse_column(r):
    titles, rows, column = filled(r)
    widths = widths_of(titles, rows)
    head = "┌─" + "─┬─".join(title.ljust(width, "─") for title, width in zip(titles, widths)) + "─┐"
    foot = "└─" + "─┴─".join("─" * width for width in widths) + "─┘"
    text = "\n".join([head, *lines(rows, column, " │ ", "│ ", " │", widths=widths), foot, ""])
    return text.encode().decode("latin-1")
