//! Small matrices of whole numbers.

mod parse;

pub use parse::{parse, ParseError};

/// Rows of one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    columns: usize,
    cells: Vec<i64>,
}

impl Matrix {
    /// From rows; `None` when they differ in length or there are none.
    pub fn new(rows: &[Vec<i64>]) -> Option<Matrix> {
        let columns = rows.first()?.len();
        if columns == 0 || rows.iter().any(|row| row.len() != columns) {
            return None;
        }
        Some(Matrix {
            columns,
            cells: rows.concat(),
        })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }

    /// One row.
    pub fn row(&self, row: usize) -> Option<&[i64]> {
        self.cells.chunks(self.columns).nth(row)
    }

    /// Rows become columns.
    pub fn transposed(&self) -> Matrix {
        let rows = self.rows();
        let cells = (0..self.cells.len())
            .map(|at| self.cells[(at % rows) * self.columns + at / rows])
            .collect();
        Matrix { columns: rows, cells }
    }

    /// The product; `None` when the sizes do not fit or a number grows too large.
    pub fn times(&self, other: &Matrix) -> Option<Matrix> {
        if self.columns != other.rows() {
            return None;
        }
        let other = other.transposed();
        let mut cells = Vec::with_capacity(self.rows() * other.rows());
        for left in self.cells.chunks(self.columns) {
            for right in other.cells.chunks(other.columns) {
                let mut sum = 0i64;
                for (a, b) in left.iter().zip(right) {
                    sum = sum.checked_add(a.checked_mul(*b)?)?;
                }
                cells.push(sum);
            }
        }
        Some(Matrix {
            columns: other.rows(),
            cells,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(text: &str) -> Matrix {
        parse(text).unwrap()
    }

    #[test]
    fn products() {
        assert_eq!(matrix("1 2; 3 4").times(&matrix("0 1; 1 0")), Some(matrix("2 1; 4 3")));
        assert_eq!(matrix("1 2").times(&matrix("1 2")), None);
        assert_eq!(matrix("9223372036854775807").times(&matrix("2")), None);
    }

    #[test]
    fn transposition() {
        assert_eq!(matrix("1 2 3; 4 5 6").transposed(), matrix("1 4; 2 5; 3 6"));
    }

    #[test]
    fn uneven_rows() {
        assert_eq!(Matrix::new(&[vec![1], vec![]]), None);
        assert_eq!(matrix("7 8").row(0), Some(&[7, 8][..]));
    }
}
