//! Rules for personal data: numbers with check digits, and mail addresses.
//!
//! A number counts only where it stands alone and its check digits hold; one that is part of an identifier stays.

use super::check::Check;
use super::rule::Class::{Digit, Dotted, Mailbox, Token, Word};
use super::rule::Part::{Card, FromStart, Iban, Not, Run, Text};
use super::rule::{Before, Class, Rule, Start};

/// In the order they are asked.
pub(super) const RULES: &[Rule] = &[
    Rule::token(
        "credit-card",
        &[],
        &[&[FromStart, Card, Not(Word)]],
        &[
            ("card ", concat!("4111", "1111", "1111", "1111"), "\n"),
            ("", concat!("5555-", "5555-", "5555-", "4444"), " ok"),
            ("", concat!("3782 ", "822463 ", "10005"), "."),
            ("exp ", concat!("4111 ", "1111 ", "1111 ", "1111"), " 12/27"),
        ],
        &[
            "4111111111111112",
            "1700000000000",
            "id-4111111111111111",
            "x4111111111111111",
            "2024-11-27 12:21:40",
            "4444444444444444",
        ],
    )
    .checked(Check::Luhn)
    .starting(Start::Two(Class::Digit), Before::NoNumber),
    Rule::token(
        "iban",
        &[],
        &[&[FromStart, Iban, Not(Word)]],
        &[
            ("to ", concat!("DE89", "3704", "0044", "0532", "0130", "00"), "\n"),
            ("", concat!("GB82 ", "WEST ", "1234 ", "5698 ", "7654 ", "32"), ", please"),
            ("", concat!("NO93 ", "8601 ", "1117 ", "947"), " and"),
        ],
        &["DE88370400440532013000", "DE89 is a prefix", "GB82WEST1234569876543", "SHA256"],
    )
    .checked(Check::Mod97)
    .starting(Start::Two(Class::Upper), Before::NoWord),
    Rule::token(
        "us-ssn",
        &[],
        &[&[FromStart, Run(Digit, 3, 3), Text("-"), Run(Digit, 2, 2), Text("-"), Run(Digit, 4, 4), Not(Token)]],
        &[("SSN ", concat!("219-", "09-", "9999"), "\n")],
        &["000-12-3456", "666-12-3456", "912-12-3456", "219-00-9999", "219-09-0000", "1219-09-9999", "219-09-99991"],
    )
    .checked(Check::Ssn)
    .starting(Start::Two(Class::Digit), Before::NoNumber),
    // Every word could begin one and is held until it ends: not for everybody.
    Rule {
        default: false,
        ..Rule::token(
            "email",
            &[],
            &[&[FromStart, Run(Mailbox, 1, 64), Text("@"), Run(Token, 1, 63), Text("."), Run(Dotted, 2, 120)]],
            &[("from ", "ada.l+x@mail.example.org", ">")],
            &["user@host", "a@b", "@example.org", "name at example.org"],
        )
        .starting(Start::Any(Class::Alnum), Before::NoWord)
    },
];
