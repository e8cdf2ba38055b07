//! `repo-doctor` through the real binary and the real sandbox: what was put into the repositories under
//! `evals/repo-doctor` is found, nothing is found in the clean ones, and the user's own folder is left alone.

#![allow(
    clippy::unwrap_used,
    reason = "a driver for tests: what fails here fails the test"
)]

mod case;
mod cheats;
mod tools;
mod yard;

/// One test per folder, so that each shows and is timed on its own.
macro_rules! cases {
    ($($test:ident => $folder:literal,)*) => {
        $(#[test] fn $test() { case::check($folder); })*

        #[test]
        fn every_folder_has_its_test() {
            let mut named = vec![$($folder.to_owned()),*];
            named.sort();
            assert_eq!(case::names(), named);
        }
    };
}

cases! {
    clean_js_events => "clean-js-events",
    clean_js_router => "clean-js-router",
    clean_mixed_report => "clean-mixed-report",
    clean_py_inventory => "clean-py-inventory",
    clean_py_plain => "clean-py-plain",
    slow_clean_rust_matrix => "clean-rust-matrix",
    go_negated_guard => "go-negated-guard",
    js_cart_discount => "js-cart-discount",
    js_guilty_slug => "js-guilty-slug",
    js_nan_and_typeof => "js-nan-and-typeof",
    py_flaky_chance => "py-flaky-chance",
    py_time_zone => "py-time-zone",
    py_flaky_set_order => "py-flaky-set-order",
    py_flaky_shared_state => "py-flaky-shared-state",
    py_guilty_commit => "py-guilty-commit",
    py_shared_line => "py-shared-line",
    py_leap_year => "py-leap-year",
    py_mutable_default => "py-mutable-default",
    py_none_guard => "py-none-guard",
    py_pages_off_by_one => "py-pages-off-by-one",
    py_swallowed_errors => "py-swallowed-errors",
    rust_clippy_fix => "rust-clippy-fix",
    slow_rust_range_boundary => "rust-range-boundary",
    rust_stock_operator => "rust-stock-operator",
}

#[test]
fn slow_cheats_in_python_are_not_believed_and_honest_changes_are() {
    cheats::check("python");
}

#[test]
fn slow_cheats_in_javascript_are_not_believed_and_honest_changes_are() {
    cheats::check("javascript");
}

#[test]
fn slow_cheats_in_rust_are_not_believed_and_honest_changes_are() {
    cheats::check("rust");
}

#[test]
fn slow_cheats_in_go_are_not_believed_and_honest_changes_are() {
    cheats::check("go");
}

#[test]
fn slow_cheats_in_a_python_ledger_are_not_believed_and_honest_changes_are() {
    cheats::check("ledger");
}

#[test]
fn slow_cheats_in_python_text_utilities_are_not_believed_and_honest_changes_are() {
    cheats::check("text");
}

#[test]
fn slow_cheats_in_a_javascript_shop_are_not_believed_and_honest_changes_are() {
    cheats::check("shop");
}

#[test]
fn slow_cheats_in_a_go_stock_are_not_believed_and_honest_changes_are() {
    cheats::check("stock");
}

#[test]
fn slow_cheats_in_rust_spans_are_not_believed_and_honest_changes_are() {
    cheats::check("spans");
}
