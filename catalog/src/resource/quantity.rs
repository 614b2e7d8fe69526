//! Kubernetes quantities as numbers.

/// A quantity of bytes such as `20Gi`, `1.5G` or `1e9`, rounded up to whole bytes. `None` if the text is not a quantity
/// or does not fit.
///
/// The grammar is that of `k8s.io/apimachinery/pkg/api/resource`.
#[must_use]
pub fn quantity_bytes(text: &str) -> Option<i64> {
    let nanos = quantity_nanos(text)?;
    i64::try_from(nanos.div_euclid(NANOS) + i128::from(nanos.rem_euclid(NANOS) != 0)).ok()
}

/// A quantity in billionths, rounded up. Two quantities are equal if these are.
#[must_use]
pub fn quantity_nanos(text: &str) -> Option<i128> {
    let (sign, text) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || number.len() > 20 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (multiplier, divisor) = scale(suffix)?;
    let divisor = divisor.checked_mul(10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    let nanos = digits.checked_mul(multiplier)?.checked_mul(NANOS)?;
    Some(sign * (nanos / divisor + i128::from(nanos % divisor != 0)))
}

const NANOS: i128 = 1_000_000_000;

/// The multiplier and the divisor of a suffix.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((1i128 << (10 * power), 1));
    let decimal = |power: u32| Some((10i128.pow(power), 1));
    match suffix {
        "" => decimal(0),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => exponent(suffix.strip_prefix(['e', 'E'])?),
    }
}

fn exponent(text: &str) -> Option<(i128, i128)> {
    match text.parse::<i8>().ok()? {
        power @ 0..=18 => Some((10i128.pow(power.unsigned_abs().into()), 1)),
        power @ -18..0 => Some((1, 10i128.pow(power.unsigned_abs().into()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_fractions_and_exponents_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("1Gi", 1 << 30),
            ("1.5Gi", 3 << 29),
            ("20G", 20_000_000_000),
            ("1e3", 1000),
            ("12E6", 12_000_000),
            ("1500m", 2),
            (".5k", 500),
            ("-1Ki", -1024),
            ("-1500m", -1),
        ] {
            assert_eq!(quantity_bytes(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_quantity_is_refused() {
        for text in
            ["", ".", "Gi", "1GB", "1.2.3", "1 Gi", "one", "8Ei", "99999999999999999999999999999999999Gi"]
        {
            assert_eq!(quantity_bytes(text), None, "{text}");
        }
    }
}
