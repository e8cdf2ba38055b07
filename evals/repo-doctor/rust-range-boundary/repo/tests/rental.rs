use rental::rental::{Prices, Rental};
use rental::week::{is_weekend, working_day};

const PRICES: Prices = Prices {
    working_day: 4000,
    weekend_day: 2500,
    cleaning: 1500,
};

#[test]
fn both_days_are_charged() {
    assert_eq!(Rental { first: 0, last: 1 }.days(PRICES), 8000);
    assert_eq!(Rental { first: 4, last: 5 }.days(PRICES), 6500);
}

#[test]
fn dirty_machines_cost_more() {
    let rental = Rental { first: 1, last: 1 };
    assert_eq!(rental.total(PRICES, false) - rental.total(PRICES, true), 1500);
}

#[test]
fn weekends() {
    assert!(is_weekend(5) && is_weekend(13));
    assert!(!is_weekend(7));
}

#[test]
fn work_begins_on_monday() {
    assert_eq!(working_day(5), 7);
    assert_eq!(working_day(6), 7);
    assert_eq!(working_day(8), 8);
}
