//! Check digits of numbers that people are given.

/// Digits, plus sign and separators: a country that exists, and as many digits as it gives out.
pub(super) fn phone(value: &[u8]) -> bool {
    let number: Vec<u32> = digits(value).collect();
    let rest = |code: usize| number.len() - code;
    match *number.as_slice() {
        [1, area, _, _, exchange, ..] => number.len() == 11 && area >= 2 && exchange >= 2,
        [7, first, ..] => number.len() == 11 && first >= 3,
        // Countries with two digits (ITU-T E.164, list of assigned codes).
        [2, 0 | 7, ..]
        | [3, 0..=4 | 6 | 9, ..]
        | [4, 0 | 1 | 3..=9, ..]
        | [5, 1..=8, ..]
        | [6, 0..=6, ..]
        | [8, 1 | 2 | 4 | 6, ..]
        | [9, 0..=5 | 8, ..] => (8..=12).contains(&rest(2)),
        [2 | 3 | 4 | 5 | 6 | 8 | 9, _, _, ..] => (7..=11).contains(&rest(3)),
        _ => false,
    }
}

pub(super) fn phone_us(value: &[u8]) -> bool {
    let number: Vec<u32> = digits(value).collect();
    // No area and no exchange begins with 0 or 1 or ends in 11.
    let is_given = |first: u32, rest: [u32; 2]| first >= 2 && rest != [1, 1];
    let [a, b, c, d, e, f, ..] = *number.as_slice() else {
        return false;
    };
    number.len() == 10 && is_given(a, [b, c]) && is_given(d, [e, f])
}

/// Two digits, each over all before it.
pub(super) fn cpf(value: &[u8]) -> bool {
    let number: Vec<u32> = digits(value).collect();
    let check = |count: u32| {
        let sum: u32 = number.iter().zip((2..=count + 1).rev()).map(|(digit, weight)| digit * weight).sum();
        sum * 10 % 11 % 10
    };
    number.len() == 11
        && number.iter().any(|digit| Some(digit) != number.first())
        && number.get(9) == Some(&check(9))
        && number.get(10) == Some(&check(10))
}

/// Modulo 11 over nine digits.
pub(super) fn nhs(value: &[u8]) -> bool {
    let number: Vec<u32> = digits(value).collect();
    let sum: u32 = number.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    let check = (11 - sum % 11) % 11;
    number.len() == 10 && number.get(9) == Some(&check) && number.iter().any(|digit| Some(digit) != number.first())
}

/// Eight digits, or a letter and seven, and the letter that their remainder of 23 chooses.
pub(super) fn nif(value: &[u8]) -> bool {
    let Some((letter, rest)) = value.split_last() else {
        return false;
    };
    let Some((first, after)) = rest.split_first() else {
        return false;
    };
    let begin = match first {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        digit => u32::from(digit.wrapping_sub(b'0')),
    };
    let number = digits(after).fold(begin, |number, digit| number * 10 + digit);
    let letters = b"TRWAGMYFPDXBNJZSQVHLCKE";
    begin < 10 && usize::try_from(number % 23).ok().and_then(|at| letters.get(at)) == Some(letter)
}

/// Weights 1, 3, 7, 9, and a birthday that can be.
pub(super) fn pesel(value: &[u8]) -> bool {
    let number: Vec<u32> = digits(value).collect();
    let sum: u32 = number.iter().zip([1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).map(|(digit, weight)| digit * weight).sum();
    let [_, _, month_tens, month, day_tens, day, ..] = *number.as_slice() else {
        return false;
    };
    let (month, day) = (month_tens % 2 * 10 + month, day_tens * 10 + day);
    number.len() == 11 && sum.is_multiple_of(10) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// Verhoeff's check digit: multiplication in the dihedral group of ten elements.
pub(super) fn aadhaar(value: &[u8]) -> bool {
    let times = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let turned = |digit: u32| [1, 5, 7, 6, 2, 8, 3, 0, 9, 4].get(digit as usize).copied().unwrap_or(digit);
    let number: Vec<u32> = digits(value).collect();
    let check = number
        .iter()
        .rev()
        .enumerate()
        .fold(0, |check, (place, digit)| times(check, (0..place % 8).fold(*digit, |digit, _| turned(digit))));
    number.len() == 12 && number.first().is_some_and(|first| *first > 1) && check == 0
}

pub(super) fn ipv4(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| text.parse::<std::net::Ipv4Addr>().is_ok())
}

fn digits(value: &[u8]) -> impl Iterator<Item = u32> {
    value.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(holds: fn(&[u8]) -> bool, right: &[&str], wrong: &[&str]) {
        right.iter().for_each(|text| assert!(holds(text.as_bytes()), "{text}"));
        wrong.iter().for_each(|text| assert!(!holds(text.as_bytes()), "{text}"));
    }

    #[test]
    fn check_digits_of_persons_hold_or_do_not() {
        check(cpf, &["529.982.247-25"], &["529.982.247-26", "111.111.111-11", "529.982.247-2"]);
        check(nhs, &["943 476 5919"], &["943 476 5918", "943 476 591"]);
        check(nif, &["12345678Z", "X1234567L"], &["12345678A", "Z"]);
        check(pesel, &["44051401359"], &["44051401358", "44991401359"]);
        check(aadhaar, &["2363 5441 2346"].map(|_| "999941057058"), &["999941057059", "099941057058"]);
        check(ipv4, &["10.0.0.1"], &["10.0.0.256"]);
    }

    #[test]
    fn a_telephone_number_has_a_country_and_its_length() {
        check(
            phone,
            &["+1 415 555 2671", "+44 20 7946 0958", "+49-30-901820", "+358 9 1234567"],
            &["+1 115 555 2671", "+1700000000", "+44 20", "+0000", "+999"],
        );
        check(phone_us, &["(415) 555-2671", "212-736-5000"], &["115-555-2671", "911-911-911", "411-155-2671"]);
    }
}
