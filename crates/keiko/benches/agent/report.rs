//! Figures, targets, and how they are shown.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// One figure.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The target it is held to, if there is one.
    pub(crate) target: Option<Target>,
    pub(crate) note: String,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn met(self, value: f64) -> bool {
        match self {
            Target::AtMost(limit) => value <= limit,
            Target::AtLeast(limit) => value >= limit,
        }
    }
    fn show(self) -> String {
        match self {
            Target::AtMost(limit) => format!("<= {}", number(limit)),
            Target::AtLeast(limit) => format!(">= {}", number(limit)),
        }
    }
}

/// All figures.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// A figure that is only looked at.
    pub(crate) fn figure(
        &mut self,
        name: &'static str,
        value: f64,
        unit: &'static str,
        note: impl Into<String>,
    ) {
        self.add(Row {
            name,
            value,
            unit,
            target: None,
            note: note.into(),
        });
    }
    /// A figure with a target.
    pub(crate) fn held(
        &mut self,
        name: &'static str,
        value: f64,
        unit: &'static str,
        target: Target,
        note: impl Into<String>,
    ) {
        self.add(Row {
            name,
            value,
            unit,
            target: Some(target),
            note: note.into(),
        });
    }
    fn add(&mut self, row: Row) {
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }
    pub(crate) fn missed(&self) -> bool {
        self.rows
            .iter()
            .any(|row| row.target.is_some_and(|target| !target.met(row.value)))
    }
    pub(crate) fn table(&self) -> String {
        self.rows.iter().map(|row| line(row) + "\n").collect()
    }
    pub(crate) fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({"name": row.name, "value": row.value, "unit": row.unit, "target": row.target.map(Target::show),
                "met": row.target.map(|target| target.met(row.value)), "note": row.note})
        });
        json!({"bench": "agent", "figures": rows.collect::<Vec<_>>()})
    }
}

fn line(row: &Row) -> String {
    let mut line = format!("{:<44} {:>10} {:<9}", row.name, number(row.value), row.unit);
    let verdict = match row.target {
        Some(target) => format!(
            "{} {}",
            if target.met(row.value) {
                "ok    "
            } else {
                "MISSED"
            },
            target.show()
        ),
        None => String::new(),
    };
    let _ = write!(line, " {verdict:<20} {}", row.note);
    line.trim_end().to_owned()
}

fn number(value: f64) -> String {
    if value >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

/// The value below which this share of the values lies.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}
