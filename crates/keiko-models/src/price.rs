//! What models cost, from a dated file and the user's own prices. Integers only.

use crate::config::{Amount, PriceConfig};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::ModelName;
use keiko_contracts::model::Usage;
use keiko_contracts::money::Micros;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Millionths of a dollar per million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// Tokens read.
    pub input: u64,
    /// Tokens read from the cache.
    pub cached: u64,
    /// Tokens written to the cache.
    pub cache_write: u64,
    /// Tokens written.
    pub output: u64,
}

impl Price {
    /// What a request cost, rounded up to the next millionth.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Micros {
        let part = |tokens: u64, rate: u64| u128::from(tokens) * u128::from(rate);
        let sum = part(usage.input, self.input)
            .saturating_add(part(usage.cached, self.cached))
            .saturating_add(part(usage.cache_write, self.cache_write))
            .saturating_add(part(usage.output, self.output));
        Micros(u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// The most that a request can cost.
    #[must_use]
    pub fn at_most(&self, input: u64, output: u64) -> Micros {
        let dearest = Price {
            input: self.input.max(self.cache_write).max(self.cached),
            ..*self
        };
        dearest.cost(&Usage {
            input,
            output,
            ..Usage::default()
        })
    }

    fn parse(config: &PriceConfig, place: &str) -> Result<Price, Fault> {
        let rate = |amount: &Amount| match amount {
            Amount::Whole(dollars) => Ok(u64::from(*dollars) * 1_000_000),
            Amount::Text(text) => text
                .parse::<Micros>()
                .map(|micros| micros.0)
                .map_err(|e| Fault::new(Code::PRICE_IS_NONE, e.said()).at(place)),
        };
        if let Some(all) = &config.price {
            let all = rate(all)?;
            return Ok(Price {
                input: all,
                cached: all,
                cache_write: all,
                output: all,
            });
        }
        let (Some(input), Some(output)) = (&config.input, &config.output) else {
            return Err(Fault::new(
                Code::PRICE_IS_NONE,
                "a price needs input and output, or price = 0",
            )
            .at(place));
        };
        let input = rate(input)?;
        let or_input = |amount: &Option<Amount>| amount.as_ref().map_or(Ok(input), rate);
        Ok(Price {
            input,
            cached: or_input(&config.cached)?,
            cache_write: or_input(&config.cache_write)?,
            output: rate(output)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceFile {
    as_of: String,
    models: BTreeMap<String, PriceConfig>,
}

/// All prices.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    /// The date of the price file.
    pub as_of: String,
    own: BTreeMap<String, Price>,
    listed: BTreeMap<String, Price>,
}

impl Prices {
    /// The price file under the user's own prices.
    ///
    /// # Errors
    /// When one of them is no price.
    pub fn new(own: &BTreeMap<String, PriceConfig>) -> Result<Prices, Fault> {
        let file: PriceFile = toml::from_str(include_str!("../prices.toml")).map_err(|e| {
            Fault::new(
                Code::PRICE_IS_NONE,
                say!(
                    "the price file cannot be read: {why}",
                    why = Said::words(e.message().to_string())
                ),
            )
        })?;
        let parse =
            |prices: &BTreeMap<String, PriceConfig>| -> Result<BTreeMap<String, Price>, Fault> {
                prices
                    .iter()
                    .map(|(name, price)| {
                        Ok((
                            name.clone(),
                            Price::parse(price, &format!("models.prices.{name:?}"))?,
                        ))
                    })
                    .collect()
            };
        Ok(Prices {
            as_of: file.as_of,
            own: parse(own)?,
            listed: parse(&file.models)?,
        })
    }

    /// The price of a model; `None` when nobody knows it.
    #[must_use]
    pub fn of(&self, model: &ModelName) -> Option<&Price> {
        let whole_vendor = || self.own.get(&format!("{}/*", model.vendor()?));
        self.own
            .get(model.as_str())
            .or_else(whole_vendor)
            .or_else(|| self.listed.get(model.as_str()))
    }

    /// The models of the price file with this vendor.
    pub fn listed<'a>(&'a self, vendor: &'a str) -> impl Iterator<Item = &'a str> {
        self.listed
            .keys()
            .chain(self.own.keys())
            .filter(move |name| {
                name.split_once('/')
                    .is_some_and(|(v, m)| v == vendor && m != "*")
            })
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn own(text: &str) -> Result<Prices, String> {
        let own: BTreeMap<String, PriceConfig> = toml::from_str(text).map_err(|e| e.to_string())?;
        Prices::new(&own).map_err(|f| f.message.to_string())
    }

    #[test]
    fn the_file_is_dated_and_its_prices_are_right_in_integers() {
        let prices = Prices::new(&BTreeMap::new()).unwrap();
        assert_eq!(prices.as_of.len(), 10);
        let price = prices.of(&"openai/gpt-4o".parse().unwrap()).unwrap();
        assert_eq!(
            *price,
            Price {
                input: 2_500_000,
                cached: 1_250_000,
                cache_write: 2_500_000,
                output: 10_000_000
            }
        );
        let usage = Usage {
            input: 1000,
            cached: 1001,
            output: 10,
            ..Usage::default()
        };
        assert_eq!(price.cost(&usage), Micros(2500 + 1252 + 100), "rounded up");
        assert_eq!(price.cost(&Usage::default()), Micros::ZERO);
        assert!(prices.of(&"openai/unheard-of".parse().unwrap()).is_none());
        assert!(prices.listed("openai").count() > 3);
    }

    #[test]
    fn own_prices_go_first_and_nonsense_is_refused() {
        let prices =
            own("'openai/gpt-4o' = { price = 0 }\n'x/*' = { input = '0.5', output = 2 }").unwrap();
        assert_eq!(
            prices.of(&"openai/gpt-4o".parse().unwrap()),
            Some(&Price::default())
        );
        assert_eq!(
            prices
                .of(&"x/any/thing".parse().unwrap())
                .unwrap()
                .at_most(1_000_000, 1_000_000),
            Micros(2_500_000)
        );
        for bad in [
            "a = { input = '1' }",
            "a = { input = '0,5', output = 1 }",
            "a = { price = 0.5 }",
            "a = { prize = 0 }",
            "a = { price = -1 }",
        ] {
            assert!(own(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_quote_is_never_below_the_cost(input in 0u64..1 << 40, split in 0u64..100, output in 0u64..1 << 40, rates in any::<[u32; 4]>()) {
            let [a, b, c, d] = rates.map(u64::from);
            let price = Price { input: a, cached: b, cache_write: c, output: d };
            let cached = input / 100 * split;
            let usage = Usage { input: input - cached, cached, cache_write: 0, output, reasoning: 0 };
            prop_assert!(price.cost(&usage) <= price.at_most(input, output));
        }
    }
}
