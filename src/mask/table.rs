//! Tables that programs print: a header that names what its columns hold, and rows under it.
//!
//! Pure: lines in, layouts and places out. Columns are told by a sign between them, by a line of dashes under the header, or by
//! where the titles of a header in capitals begin.

use std::ops::Range;

use super::rule::{Rule, Rules};

/// How rows show where their columns are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    /// So many, blanks around each and this between, as `psql`, `mysql` and Markdown have them.
    Cells(&'static [u8], usize),
    /// So many, with this between and quotes where they are needed (RFC 4180).
    Fields(u8, usize),
    /// Each begins there, counted in characters, with so many blanks before it.
    Columns(Vec<usize>, usize),
}

/// A table whose header names a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    layout: Layout,
    /// Which columns are hidden, and by which rule.
    columns: Vec<(usize, usize)>,
}

/// What a line is to a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// One of its rows: what to hide of it, and by which rule; and how many columns are passed.
    Hide(Vec<(Range<usize>, usize)>, usize),
    /// The table is over.
    Over,
}

impl Table {
    /// The table that a line heads: with the line under it, whether that is whole, and the first byte of the one under that.
    pub(super) fn of(rules: &Rules, header: &[u8], (under, is_whole): (&[u8], bool), then: Option<u8>) -> Option<Self> {
        let (layout, titles) = Layout::of(header, (under, is_whole), then)?;
        // In listings of clusters and the like it is the name of one.
        let is_name = |title: &[u8]| matches!(layout, Layout::Columns(..)) && title == b"SECRET";
        let headers: Vec<(usize, &Rule)> = rules.iter().enumerate().filter(|(_, rule)| rule.is_header()).collect();
        let telling = |title: &[u8]| {
            let found = headers.iter().find(|(_, rule)| rule.is_title(title) && !is_name(title));
            found.map(|(rule, _)| *rule)
        };
        let columns: Vec<_> =
            (0..).zip(titles).filter_map(|(column, title)| Some((column, telling(header.get(title)?)?))).collect();
        (!columns.is_empty()).then_some(Self { layout, columns })
    }

    /// What a line holds of which so many columns are passed; of one that is not whole, what is there of it.
    pub(super) fn row(&self, rules: &Rules, line: &[u8], passed: usize, is_whole: bool) -> Row {
        if self.layout.is_between(line) {
            return Row::Hide(Vec::new(), 0);
        }
        let Some(cells) = self.layout.cells(line, passed, is_whole) else {
            return Row::Over;
        };
        let hidden = self.columns.iter().filter_map(|(column, rule)| {
            let cell = cells.get(column.checked_sub(passed)?)?.clone();
            let value = line.get(cell.clone())?;
            let is_secret = value.len() >= LEAST && rules.at(*rule)?.check.passes(value, None);
            is_secret.then_some((cell, *rule))
        });
        Row::Hide(hidden.collect(), if is_whole { 0 } else { passed + cells.len().saturating_sub(1) })
    }
}

impl Layout {
    /// That of a header, and its titles.
    fn of(header: &[u8], (under, is_whole): (&[u8], bool), then: Option<u8>) -> Option<(Self, Vec<Range<usize>>)> {
        if header.len() > WIDEST {
            return None;
        }
        if is_rule(under) {
            return Self::ruled(header, under, then);
        }
        if let Some(titles) = drawn(header) {
            let layout = Self::Cells("│".as_bytes(), titles.len());
            return layout.cells(under, 0, is_whole).map(|_| (layout, titles));
        }
        let fields = SEPARATORS.into_iter().find_map(|sign| {
            let titles = fields(header, sign);
            // What is listed in a sentence has blanks between.
            let layout = Self::Fields(sign, titles.len());
            let is_header = titles.len() > 1
                && (matches!(sign, b'\t' | b'|') || !header.contains(&b' ') || header.contains(&b'"'))
                && titles.iter().all(|title| is_title(header.get(title.clone()).unwrap_or_default()))
                && layout.cells(under, 0, is_whole).is_some();
            is_header.then_some((layout, titles))
        });
        fields.or_else(|| {
            let titles = capitals(header)?;
            let layout = Self::Columns(titles.iter().map(|title| title.start).collect(), 2);
            layout.cells(under, 0, is_whole).map(|_| (layout, titles))
        })
    }

    /// With a line of dashes under the header.
    fn ruled(header: &[u8], under: &[u8], then: Option<u8>) -> Option<(Self, Vec<Range<usize>>)> {
        let sign = [b"|".as_slice()].into_iter().chain(BOX).find(|sign| memchr::memmem::find(header, sign).is_some());
        if let Some(sign) = sign {
            let titles = cells(header, sign);
            // A table of names and values ends so too: a header has rows under it.
            let is_last = header.starts_with(sign) && then != sign.first().copied();
            return (!is_last).then_some((Self::Cells(sign, titles.len()), titles));
        }
        let is_start = |at: &usize| {
            under.get(*at) != Some(&b' ') && at.checked_sub(1).is_none_or(|before| under.get(before) == Some(&b' '))
        };
        let mut starts: Vec<usize> = (0..under.len()).filter(is_start).collect();
        // `psql` has a blank before its only column.
        if starts == [0] && header.starts_with(b" ") {
            starts.push(1);
        }
        let is_plain = under.iter().all(|byte| matches!(byte, b'-' | b'=' | b' '));
        if !is_plain || !(2..=MOST).contains(&starts.len()) {
            return None;
        }
        let layout = Self::Columns(starts, 1);
        let titles = layout.cells(header, 0, true)?;
        Some((layout, titles))
    }

    /// Where the cells of a row stand of which so many are passed; nothing if it is none.
    fn cells(&self, line: &[u8], passed: usize, is_whole: bool) -> Option<Vec<Range<usize>>> {
        let has = |cells: &Vec<Range<usize>>, count: usize| {
            let all = passed + cells.len();
            all == count || !is_whole && all < count
        };
        match self {
            Self::Cells(sign, count) => Some(cells(line, sign)).filter(|cells| has(cells, *count)),
            Self::Fields(sign, count) => Some(fields(line, *sign)).filter(|fields| has(fields, *count)),
            Self::Columns(..) if passed > 0 => None,
            Self::Columns(starts, gap) => columns(line, starts, *gap, is_whole),
        }
    }

    /// Whether it is a line between rows.
    fn is_between(&self, line: &[u8]) -> bool {
        !matches!(self, Self::Fields(..)) && is_rule(line)
    }
}

/// A line of dashes, or of what boxes are drawn with.
fn is_rule(line: &[u8]) -> bool {
    let dashes = line.iter().filter(|byte| matches!(byte, b'-' | b'=' | 0xe2)).count();
    // U+2500 to U+257F.
    let is_drawn = |byte: &u8| matches!(byte, 0xe2 | 0x80..=0xbf);
    let is_box = !BOX.iter().any(|sign| memchr::memmem::find(line, sign).is_some());
    dashes >= 3 && line.iter().all(|byte| b"-=+|: ".contains(byte) || is_box && is_drawn(byte))
}

/// What stands between signs like this one: the lines of a box may be thin and thick.
fn cells(line: &[u8], sign: &[u8]) -> Vec<Range<usize>> {
    let is_sign = |at: &usize| {
        let here = line.get(*at..*at + sign.len()).unwrap_or_default();
        here == sign || BOX.contains(&sign) && BOX.contains(&here)
    };
    let (mut begin, first) = (0, sign.first().copied().unwrap_or(0));
    let ends: Vec<usize> = memchr::memchr_iter(first, line).filter(is_sign).take(MOST).chain([line.len()]).collect();
    let cell = |end: usize| {
        let cell = begin..end;
        begin = end + sign.len();
        trimmed(line, cell)
    };
    ends.into_iter().map(cell).collect()
}

/// What stands between separators, without its quotes.
fn fields(line: &[u8], sign: u8) -> Vec<Range<usize>> {
    // Spreadsheets begin a file with a mark of its encoding.
    let begin = if line.starts_with("\u{feff}".as_bytes()) { '\u{feff}'.len_utf8() } else { 0 };
    let (mut fields, mut begin, mut is_quoted) = (Vec::new(), begin, false);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            byte if *byte == sign && !is_quoted && fields.len() < MOST => {
                fields.push(begin..at);
                begin = at + 1;
            }
            _ => {}
        }
    }
    fields.push(begin..line.len());
    fields.into_iter().map(|field| unquoted(line, trimmed(line, field))).collect()
}

/// The cells of a row whose columns begin there, with so many blanks before each.
fn columns(line: &[u8], starts: &[usize], gap: usize, is_whole: bool) -> Option<Vec<Range<usize>>> {
    let mut places = (0..line.len()).filter(|at| line.get(*at).is_some_and(|byte| byte & 0xc0 != 0x80));
    let (mut found, mut so_far) = (Vec::with_capacity(starts.len() + 1), 0);
    for start in starts {
        let Some(place) = places.nth(start - so_far) else {
            break;
        };
        so_far = start + 1;
        let before = line.get(place.saturating_sub(gap)..place).unwrap_or_default();
        if before.iter().any(|byte| *byte != b' ') {
            return None;
        }
        found.push(place);
    }
    let is_row = line.iter().any(|byte| *byte != b' ') && (found.len() > 1 || !is_whole);
    found.push(line.len());
    let cells = found.iter().zip(found.iter().skip(1)).map(|(begin, end)| trimmed(line, *begin..*end));
    is_row.then(|| cells.collect())
}

/// The titles in the upper line of a box, as ClickHouse draws it: before the first column and behind the last there is none.
fn drawn(header: &[u8]) -> Option<Vec<Range<usize>>> {
    let [begin, between, end] = ["┌─", "─┬─", "─┐"].map(str::as_bytes);
    let inside = header.strip_prefix(begin)?.strip_suffix(end)?;
    let (mut titles, mut at) = (Vec::from([Range::default()]), begin.len());
    let last = at + inside.len();
    for next in memchr::memmem::find_iter(inside, between).map(|next| begin.len() + next).chain([last]) {
        let mut title = at..next;
        // Short ones are filled up.
        while header.get(title.clone()).is_some_and(|title| title.ends_with("─".as_bytes())) {
            title.end -= "─".len();
        }
        while header.get(title.clone()).is_some_and(|title| title.starts_with("─".as_bytes())) {
            title.start += "─".len();
        }
        titles.push(title);
        at = next + between.len();
    }
    titles.push(last..last);
    (titles.len() <= MOST).then_some(titles)
}

/// The titles of a header in capitals with two blanks or more between them.
fn capitals(header: &[u8]) -> Option<Vec<Range<usize>>> {
    let is_capital = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" _-/()%#.".contains(byte);
    if !header.first()?.is_ascii_uppercase() || !header.iter().all(is_capital) {
        return None;
    }
    let (mut titles, mut begin) = (Vec::new(), 0);
    for gap in memchr::memmem::find_iter(header, b"  ").chain([header.len()]) {
        let title = trimmed(header, begin..gap);
        if !title.is_empty() {
            begin = gap;
            titles.push(title);
        }
    }
    (2..=MOST).contains(&titles.len()).then_some(titles)
}

/// Whether a field of a header is a name.
fn is_title(name: &[u8]) -> bool {
    let is_of = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(byte);
    name.len() <= LONGEST_TITLE
        && name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(is_of)
}

fn trimmed(line: &[u8], cell: Range<usize>) -> Range<usize> {
    let text = line.get(cell.clone()).unwrap_or_default();
    let begin = cell.start + (text.len() - text.trim_ascii_start().len());
    begin..begin + text.trim_ascii().len()
}

fn unquoted(line: &[u8], field: Range<usize>) -> Range<usize> {
    match line.get(field.clone()) {
        Some([b'"', .., b'"'] | [b'\'', .., b'\'']) => field.start + 1..field.end - 1,
        // Of a row that is not whole.
        Some([b'"', ..]) => field.start + 1..field.end,
        _ => field,
    }
}

/// What stands between columns where lines are drawn.
const BOX: [&[u8]; 3] = ["│".as_bytes(), "┃".as_bytes(), "║".as_bytes()];

/// What stands between fields, in the order in which they are tried.
const SEPARATORS: [u8; 4] = *b"\t|;,";

/// The widest header.
const WIDEST: usize = 1024;

/// The longest title between separators.
const LONGEST_TITLE: usize = 40;

/// So many columns at most.
const MOST: usize = 256;

/// Fewer characters are no secret.
const LEAST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::known;

    fn rules() -> Rules {
        Rules::new(known().filter(|rule| rule.is_header()))
    }

    /// What is hidden of a row under a header with `under` between.
    #[track_caller]
    fn hidden<'a>(header: &str, under: &str, row: &'a str) -> Vec<&'a str> {
        let rules = rules();
        let then = row.bytes().next();
        let table = Table::of(&rules, header.as_bytes(), (under.as_bytes(), true), then).expect("a table");
        match table.row(&rules, row.as_bytes(), 0, true) {
            Row::Hide(cells, _) => cells.into_iter().map(|(cell, _)| &row[cell]).collect(),
            Row::Over => vec!["over"],
        }
    }

    #[test]
    fn columns_are_told_by_what_stands_between_them() {
        assert_eq!(hidden("id | password", "---+---", " 1 | a bcd"), ["a bcd"]);
        assert_eq!(hidden("| a | password |", "+---+---+", "| 1 | hunter |"), ["hunter"]);
        assert_eq!(hidden("│ a │ password │", "├───┼───┤", "│ 1 │ hunter │"), ["hunter"]);
        assert_eq!(hidden("┌─a──┬─password─┬─mail─┐", "│ 1 │ x │ y │", "│ 1 │ hunter │ x │"), ["hunter"]);
        assert_eq!(hidden("┃ a ┃ password ┃", "┡━━━╇━━━┩", "│ 1 │ hunter │"), ["hunter"]);
        assert_eq!(hidden("a,password", "1,x", "1,\"hun,ter\""), ["hun,ter"]);
        assert_eq!(hidden("a\tPassword\tAPI key", "1\tx\ty", "1\thunter\tabc123"), ["hunter", "abc123"]);
        assert_eq!(hidden("\"Login Name\",\"Password\",\"Web Site\"", "1,x,y", "1,\"hun ter\",y"), ["hun ter"]);
        assert_eq!(hidden("\u{feff}a,password", "1,x", "1,hunter"), ["hunter"]);
        assert_eq!(hidden("a|password", "1|x", "1|hunter"), ["hunter"]);
    }

    #[test]
    fn columns_are_told_by_where_they_begin() {
        assert_eq!(hidden("id  password  x", "--  --------  -", "1   hunter    y"), ["hunter"]);
        assert_eq!(hidden("Name  password", "----  --------", "José  hunter"), ["hunter"]);
        assert_eq!(hidden(" password ", "----------", " hunter"), ["hunter"]);
        assert_eq!(hidden("NAME   PASSWORD   AGE", "a      b          3d", "bob    hunter     3d"), ["hunter"]);
        assert_eq!(hidden("NAME   PASSWORD   AGE", "a      b          3d", "root@host:~$ ls  hunter"), ["over"]);
    }

    #[test]
    fn a_table_is_over_where_a_line_does_not_fit() {
        assert_eq!(hidden("id | password", "---+---", "(1 row)"), ["over"]);
        assert_eq!(hidden("a | password", "--+---", "--+---"), [""; 0]);
        assert_eq!(hidden("a,password", "1,x", ""), ["over"]);
        assert_eq!(hidden("a,password", "1,x", "1,2,3"), ["over"]);
        assert_eq!(hidden("id  password", "--  --------", ""), ["over"]);
    }

    #[test]
    fn what_is_no_header_heads_no_table() {
        let rules = rules();
        for (header, under, then) in [
            // The last row of a table of names and values.
            ("| password | hunter |", "+----------+--------+", Some(b'\n')),
            ("user, password", "host, hunter", None),
            ("f(a,password", "b,c", None),
            ("Reset password", "--------------", Some(b'T')),
            ("a,password", "1,2,3", None),
            ("NAME   SECRET", "a      b", None),
            ("id | name", "---+-----", Some(b' ')),
            ("password", "hunter", None),
        ] {
            assert_eq!(Table::of(&rules, header.as_bytes(), (under.as_bytes(), true), then), None, "{header}");
        }
    }
}
