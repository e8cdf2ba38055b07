//! Days of the week from day numbers.

/// Day 0 was a Monday.
pub fn is_weekend(day: u32) -> bool {
    day % 7 >= 5
}

/// The next working day, this one if it is one.
pub fn working_day(day: u32) -> u32 {
    match day % 7 {
        5 => day + 2,
        6 => day + 1,
        _ => day,
    }
}
