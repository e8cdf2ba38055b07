//! Lists for people: a line of names, and rows whose columns stand below each other. In pipes they are the same.

use super::clean::columns;

/// What a column is called, and where its cells stand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column<'a> {
    /// Words, which begin below each other.
    Left(&'a str),
    /// Numbers, which end below each other.
    Right(&'a str),
}

impl<'a> Column<'a> {
    fn name(self) -> &'a str {
        match self {
            Column::Left(name) | Column::Right(name) => name,
        }
    }

    fn set(self, cell: &str, width: usize) -> String {
        let room = " ".repeat(width.saturating_sub(columns(cell)));
        match self {
            Column::Left(_) => format!("{cell}{room}"),
            Column::Right(_) => format!("{room}{cell}"),
        }
    }
}

/// The lines of a list, the names first; none when there is no row. No line ends with spaces.
pub(crate) fn table<const N: usize>(heads: [Column<'_>; N], rows: &[[String; N]]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let names = heads.map(|head| head.name().to_uppercase());
    let all = || std::iter::once(&names).chain(rows);
    let widths: [usize; N] =
        std::array::from_fn(|at| all().map(|row| columns(&row[at])).max().unwrap_or(0));
    all()
        .map(|row| {
            let cells: Vec<String> = heads
                .iter()
                .zip(row)
                .zip(widths)
                .map(|((head, cell), width)| head.set(cell, width))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_whatever_is_in_them() {
        let rows = [
            ["a", "12", "Grüße aus Köln"].map(str::to_owned),
            ["日本", "3", ""].map(str::to_owned),
        ];
        let heads = [
            Column::Left("run"),
            Column::Right("steps"),
            Column::Left("goal"),
        ];
        assert_eq!(
            table(heads, &rows),
            [
                "RUN   STEPS  GOAL",
                "a        12  Grüße aus Köln",
                "日本      3"
            ]
        );
        assert_eq!(table(heads, &[]), Vec::<String>::new());
    }
}
