"""How a secret may arrive: as it is, or as terminals, shells and formats leave it.

A text is a list of cells (character, whether it belongs to the secret), so that afterwards it can be told for each byte
whether it should have been hidden. A cell is a byte, and every secret ASCII: with `--width same` output has the length of the
input.
"""

import base64
import json
import string
import urllib.parse

from kinds import CLOSE, OPEN

COLUMNS = 80
TOKENS = string.ascii_letters + string.digits + "+/=_-."
SGR = ["\x1b[31m", "\x1b[0m", "\x1b[1;32m", "\x1b[38;5;208m", "\x1b[K", "\x1b[m"]


def cells(text):
    out, is_secret = [], False
    for character in text:
        if character in (OPEN, CLOSE):
            is_secret = character == OPEN
        else:
            out.append((character, is_secret))
    return out


def open_text(text):
    return [(character, False) for character in text]


def plain(r, text):
    return open_text("$ cat notes\n") + cells(text) + open_text("\n$ ")


def colour(r, text):
    out = open_text("$ ls\r\n")
    for at, cell in enumerate(cells(text)):
        if r.random() < 0.12 or at == 2:
            out += open_text(r.choice(SGR))
        out.append(cell)
    return out + open_text("\x1b[0m\r\n$ ")


def words_of_ascii(columns):
    return ("the quick brown fox jumps over the lazy dog and on " * 2)[: columns - 1] + " "


def words_of_two_columns(columns):
    """Of East Asia, and a mark of its own, which takes none."""
    wide, narrow = divmod(columns - 1, 2)
    words = ("服务器输出的日志内容在这里显示出来" * 3)[:wide] + "e\u0301" * narrow + " "
    return words.encode().decode("latin-1")


def wrapped(r, text, mark, words=words_of_ascii):
    """A terminal's right margin falls into the secret's line: the line begins so far from it that it does."""
    inside = cells(text)
    lines = lines_of(inside)
    longest = max((line for line in lines if any(is_secret for _, is_secret in line)), key=len)
    first = next(at for at, (_, is_secret) in enumerate(longest) if is_secret)
    last = max(at for at, (_, is_secret) in enumerate(longest) if is_secret)
    cut = r.randint(first, last)
    pad = max(0, COLUMNS - cut - 1) if cut < COLUMNS else 0
    out = open_text("ls\r\n")
    for line in lines:
        column = 0
        if line is longest and pad > 0:
            out += open_text(words(pad))
            column = pad
        for cell in line:
            if column == COLUMNS:
                out += open_text(mark)
                column = 0
            out.append(cell)
            column += 8 - column % 8 if cell[0] == "\t" else 1
        out += open_text("\r\n")
    return out + open_text("$ ")


def lines_of(inside):
    lines = [[]]
    for cell in inside:
        if cell[0] == "\n":
            lines.append([])
        else:
            lines[-1].append(cell)
    return lines


def wrapped_by_program(r, text):
    return wrapped(r, text, "\r\n")


def wrapped_by_readline(r, text):
    return wrapped(r, text, " \r")


def wrapped_behind_wide(r, text):
    return wrapped(r, text, r.choice(["\r\n", " \r"]), words_of_two_columns)


def typed(r, text):
    """Echo of somebody typing, who mistypes now and then and takes it back."""
    out = open_text("\x1b[?2004h$ ")
    for character, is_secret in cells(text):
        if r.random() < 0.1:
            wrong = r.choice(string.ascii_letters)
            out += open_text(wrong + r.choice(["\b \b", "\b\x1b[K", "\x1b[D \x1b[D"]))
        out.append((character if character != "\n" else "\r\n", is_secret))
    out += open_text("\r\n\x1b[?2004l\r")
    return [(one, is_secret) for text, is_secret in out for one in text]


def overprinted(r, text):
    """A line is begun, and written anew from its beginning."""
    inside = cells(text)
    out = []
    for line in lines_of(inside):
        begun = len(line) // 2
        junk = r.choice(["Loading  10%", "Loading 100%", "\x1b[2Kworking"])
        out += open_text(junk + "\r" + "\x1b[K") + line[:begun] + open_text("\r") + line + open_text("\r\n")
    return out + open_text("$ ")


def in_table(r, text):
    if "\n" in text:
        rows = lines_of(cells(text))
    else:
        rows = [cells(text)]
    out = open_text(" id | value\n----+-------\n")
    for number, row in enumerate(rows):
        out += open_text(f" {number + 1:2} | ") + row + open_text(r.choice([" | ok\n", " |\n", "\n"]))
    return out + open_text("(1 row)\n")


def each(inside, encode):
    return [(one, is_secret) for character, is_secret in inside for one in encode(character)]


def in_json(r, text):
    inside = each(cells(text), lambda character: json.dumps(character)[1:-1])
    return open_text('{"level":"info","log":"') + inside + open_text('","stream":"stdout"}\n')


def in_url(r, text):
    inside = each(cells(text), lambda character: urllib.parse.quote(character, safe=""))
    return open_text("GET /log?m=") + inside + open_text("&l=1 HTTP/1.1\n")


def grouped(inside, encode, size, group):
    """Of an encoding by groups, a character is secret if all its bits are."""
    data = "".join(character for character, _ in inside).encode()
    flags = [is_secret for _, is_secret in inside]
    out = []
    for at, character in enumerate(encode(data)):
        first, last = at * size // group, ((at + 1) * size - 1) // group
        out.append((character, all(flags[first : last + 1]) and last < len(flags)))
    return out


def in_base64(r, text):
    inside = grouped(cells(text), lambda data: base64.b64encode(data).decode(), 6, 8)
    return open_text(r.choice(["data: ", "content: ", "$ base64 -w0 f\n"])) + inside + open_text("\n")


def in_base64_lines(r, text):
    inside = grouped(cells(text), lambda data: base64.b64encode(data).decode(), 6, 8)
    out = open_text("$ base64 f\n")
    for at in range(0, len(inside), 76):
        out += inside[at : at + 76] + open_text("\n")
    return out + open_text("$ ")


def in_hex(r, text):
    inside = grouped(cells(text), lambda data: data.hex(), 4, 8)
    return open_text(r.choice(["bytes ", "0x", "value="])) + inside + open_text("\n")


DISGUISES = {
    "plain": plain,
    "colour": colour,
    "wrapped-by-program": wrapped_by_program,
    "wrapped-by-readline": wrapped_by_readline,
    "typed": typed,
    "overprinted": overprinted,
    "table": in_table,
    "json": in_json,
    "url": in_url,
    "base64": in_base64,
    "base64-lines": in_base64_lines,
    "hex": in_hex,
    "wrapped-behind-wide": wrapped_behind_wide,
}
