use crate::Matrix;
use std::fmt;

/// Why a text is no matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseError<'a> {
    /// This is no number.
    Number(&'a str),
    /// Rows differ in length, or there are none.
    Shape,
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Number(word) => write!(f, r#""{word}" is no number"#),
            ParseError::Shape => f.write_str("rows must have one length"),
        }
    }
}

/// Reads rows parted by `;`.
pub fn parse(text: &str) -> Result<Matrix, ParseError<'_>> {
    let row = |row: &'_ str| -> Vec<String> { row.split_whitespace().map(str::to_owned).collect() };
    let mut rows = Vec::new();
    for line in text.split(';') {
        let words = row(line);
        let numbers: Result<Vec<i64>, usize> = words
            .iter()
            .enumerate()
            .map(|(at, word)| word.parse().map_err(|_| at))
            .collect();
        match numbers {
            Ok(numbers) => rows.push(numbers),
            Err(at) => return Err(ParseError::Number(line.split_whitespace().nth(at).unwrap_or(line))),
        }
    }
    Matrix::new(&rows).ok_or(ParseError::Shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told() {
        assert_eq!(parse("1 x"), Err(ParseError::Number("x")));
        assert_eq!(parse("1; 2 3"), Err(ParseError::Shape));
        assert_eq!(parse("a").unwrap_err().to_string(), "\"a\" is no number");
    }
}
