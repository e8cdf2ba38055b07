use stock::label::label;
use stock::stock::Stock;

#[test]
fn delivered_pieces_are_available() {
    let mut stock = Stock::default();
    stock.deliver("bolt", 7);
    assert_eq!(stock.shelf("bolt").available(), 7);
}

#[test]
fn reserved_pieces_are_not_available() {
    let mut stock = Stock::default();
    stock.deliver("bolt", 7);
    assert!(stock.reserve("bolt", 5));
    assert_eq!(stock.shelf("bolt").available(), 2);
    assert!(!stock.reserve("bolt", 3));
}

#[test]
fn unknown_articles_cannot_be_reserved() {
    assert!(!Stock::default().reserve("nut", 1));
}

#[test]
fn labels_are_short() {
    assert_eq!(label("hex bolt m8", 8), "HEX-BOLT");
}
