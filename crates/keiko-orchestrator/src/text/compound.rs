//! German words in one piece, taken apart: `Rechnungsprüfung` is about a `Rechnung` and about `prüfen`.

use super::stem::stem_german;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Stems that many German compounds are made of, beside those that a registry brings.
const BASES: &str = "abend abrechnung adress aktien analyse anfrag angebot anlag anruf anschreib antrag antwort arbeit artikel arzt \
aufgab auftrag auswert auto bahn bank bau baum beitrag beleg bericht bestell betrag betrieb bett bewerb bild blatt brief buch buchung \
budget buero bund code daten datei datenbank dienst dokument drucker eingang einkauf einladung email energie entwickl ergebnis \
fahrt fahr farb fehler fest film firma firmen flug foto frage frist garten gebuehr gehalt geld gerat geraet geschaeft geschenk \
geschicht gesetz gespraech gesundheit grund gruppe haft handel handy hand hilf haus hotel inhalt jahr kalender kalkulation karte kasse \
kauf kinder kennzahl konto kontroll kopf kosten kranken kredit kunden kund kurs kuendig kurz lager land laufzeit leben lebenslauf lehr \
liefer leistung liste lohn loesung luft mahn mail markt maschin material mensch miet mitarbeiter mittag monat motor musik nachricht \
name netz notiz nutzer ordner ort paket papier park passwort patient personal pflege plan platz post preis problem probe produkt \
programm projekt protokoll prozess pruef pruefung punkt quell quelle raum rechn rechnung recht rede regel reise rezept richtlini \
risiko rueck satz schaden schein schlag schluessel schreib schrift schul schutz schritt seit server sicher sicherheit sitzung \
software spiel sprach stadt stand stell steuer strasse strom stueck stunde suche system tabell tag technik teil telefon termin test \
text ticket titel ton transport tuer uebersetz uebersicht umsatz umzug unfall unterlag urlaub ursach verein verkauf verkehr verlauf \
vermerk versand versicher versicherung vertrag vertrieb verwalt vorlag vorschlag vorstell wagen wahl waren wasser wechsel weg werk \
wert wetter wirtschaft woche wohn wohnung wort zahl zahlung zeich zeit zeitung zentrum ziel zimmer zins zug zusammenfass zustand";

/// What stands between two parts.
const LINKS: [&str; 6] = ["", "s", "es", "n", "en", "e"];
/// Letters that a part has at least.
const SHORTEST: usize = 4;

static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let words = BASES.split_whitespace();
    words
        .flat_map(|word| [word.to_owned(), stem_german(word)])
        .collect()
});

/// True for a stem that many German compounds are made of.
#[must_use]
pub fn is_base(stem: &str) -> bool {
    KNOWN.contains(stem)
}

/// The parts of a folded German compound as stems, when it divides into what is known; else nothing. What comes last may be
/// a word that only looks like a part, so the longest known beginning is tried first.
///
/// ```
/// use keiko_orchestrator::text::{is_base, parts};
/// assert_eq!(parts("rechnungspruefung", is_base), ["rechn", "pruef"]);
/// ```
#[must_use]
pub fn parts(word: &str, known: impl Fn(&str) -> bool) -> Vec<String> {
    if !word.is_ascii() || word.len() < 2 * SHORTEST {
        return Vec::new();
    }
    divide(word, &known, 3).unwrap_or_default()
}

fn divide(word: &str, known: &impl Fn(&str) -> bool, most: usize) -> Option<Vec<String>> {
    if most == 0 || word.len() < 2 * SHORTEST {
        return None;
    }
    for end in (SHORTEST..=word.len() - SHORTEST).rev() {
        let (first, rest) = word.split_at(end);
        for link in LINKS {
            let Some(first) = first
                .strip_suffix(link)
                .filter(|first| first.len() >= SHORTEST - 1)
            else {
                continue;
            };
            let stem = stem_german(first);
            if !known(first) && !known(&stem) {
                continue;
            }
            let last = stem_german(rest);
            let more = if known(rest) || known(&last) {
                Some(vec![last])
            } else {
                divide(rest, known, most - 1)
            };
            if let Some(more) = more {
                return Some(std::iter::once(stem).chain(more).collect());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compounds_come_apart() {
        for (word, expected) in [
            ("rechnungspruefung", vec!["rechn", "pruef"]),
            ("kundenanfragen", vec!["kund", "anfrag"]),
            ("projektplanung", vec!["projek", "plan"]),
            (
                "krankenversicherungsbeitrag",
                vec!["krank", "versicher", "beitrag"],
            ),
        ] {
            assert_eq!(parts(word, is_base), expected, "{word}");
        }
    }

    #[test]
    fn other_words_stay_whole() {
        for word in [
            "",
            "plan",
            "invoice",
            "xyzzyxyzzyxyzzy",
            "日本語日本語日本語",
        ] {
            assert_eq!(parts(word, is_base), [""; 0], "{word}");
        }
    }
}
