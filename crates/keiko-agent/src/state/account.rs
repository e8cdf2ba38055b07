//! Who has answered, and what that took. The money is in the [`Life`](keiko_governance::life::Life).

use keiko_contracts::action::{ModelReport, Origin};
use keiko_contracts::id::ModelName;
use keiko_contracts::model::Usage;
use std::collections::BTreeMap;

/// Who has answered, and what that took.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Tokens.
    pub usage: Usage,
    /// A model without a price answered: what that cost is not known.
    pub unpriced: bool,
    /// Who answered, and where the answers came from.
    pub models: BTreeMap<String, Origin>,
}

impl Account {
    /// A model has answered. `asked` is the one that was asked, if it is known.
    pub(super) fn answered(&mut self, report: &ModelReport, asked: Option<&ModelName>) {
        self.usage = self.usage.plus(report.usage);
        self.unpriced |= report.unpriced;
        if let Some(model) = asked {
            let served = report.served_by.clone();
            let by = served.unwrap_or_else(|| model.to_string());
            self.models.insert(by, report.origin);
        }
    }
}
