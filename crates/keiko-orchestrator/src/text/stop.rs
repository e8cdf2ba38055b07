//! Words that say nothing about what a text is about.

use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(super) const GERMAN: &str = "aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei beim bin \
bis bist bitte da dabei damit dann das dass dazu dein deine deinen dem den denn der des dich die dies diese diesem diesen dieser \
dieses dir doch dort du durch ein eine einem einen einer eines einfach er es etwas euch fuer gegen gerne hab habe haben hat hatte \
hier hin ich ihm ihn ihnen ihr ihre ihrem ihren im in ins ist ja jede jeden jeder jedes jetzt kann kannst kein keine keinen koennen \
koennte koennten koenntest mal man mein meine meinem meinen meiner meines mich mir mit muss muessen nach nicht noch nun nur ob oder \
ohne schon sehr sein seine seinen sich sie sind so soll sollen sollte sowie ueber um und uns unser unsere unserem unseren unter vom \
von vor war waren warum was weil welche welchen welcher welches wenn wer werde werden wie wieder will wir wird wo wollen worden wurde \
wurden zu zum zur zwischen moechte moechten brauche brauchen danke hallo mach mache machen gib";

pub(super) const ENGLISH: &str = "a about all also am an and any are as at be been before but by can could d did do does doing don \
for from get give had has have having he hello her here hey hi him his how i if in into is it its just let ll m make may me might \
more most my need no not now of on once one only or other our out over own please re s same she should so some such t than thank \
thanks that the their them then there these they this those to too up us ve very want was we were what when where which while who \
why will with would you your yours";

static STOP: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    GERMAN
        .split_whitespace()
        .chain(ENGLISH.split_whitespace())
        .collect()
});

/// True for a folded word that says nothing about what a text is about, in either language; also for single letters.
#[must_use]
pub fn is_stop(word: &str) -> bool {
    word.chars().nth(1).is_none() || STOP.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both_languages_say_nothing() {
        assert!(
            ["und", "the", "koennten", "would", "x", "#", ""]
                .iter()
                .all(|word| is_stop(word))
        );
        assert!(
            !["rechnung", "invoice", "go", "ci"]
                .iter()
                .any(|word| is_stop(word))
        );
    }
}
