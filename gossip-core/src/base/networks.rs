//! Networks as people write them: `10.0.0.0/8`, `fd00::/8`.

use ipnet::IpNet;
use thiserror::Error;

/// Texts that are no networks, and the networks among the others.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} {} such as 10.0.0.0/8", quoted(.invalid), if .invalid.len() == 1 { "is no network" } else { "are no networks" })]
pub struct InvalidNetworks {
    /// What could be read.
    pub valid: Vec<IpNet>,
    /// What could not, as it was given.
    pub invalid: Vec<String>,
}

/// Reads networks; spaces around them do not matter. No text is no network. Go: `ParseCIDRs`.
pub fn parse_cidrs<S: AsRef<str>>(texts: &[S]) -> Result<Vec<IpNet>, InvalidNetworks> {
    let (mut valid, mut invalid) = (Vec::new(), Vec::new());
    for text in texts.iter().map(AsRef::as_ref) {
        match text.trim().parse() {
            Ok(network) => valid.push(network),
            Err(_) => invalid.push(text.to_owned()),
        }
    }
    if invalid.is_empty() { Ok(valid) } else { Err(InvalidNetworks { valid, invalid }) }
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_both_families_are_read_and_no_text_is_no_network() {
        let networks = parse_cidrs(&[" 10.0.0.0/8", "fd00::/8 "]).unwrap();

        assert!(networks[0].contains(&"10.1.2.3".parse::<std::net::IpAddr>().unwrap()));
        assert!(networks[1].contains(&"fd12::1".parse::<std::net::IpAddr>().unwrap()));
        assert_eq!(parse_cidrs::<&str>(&[]), Ok(vec![]));
    }

    #[test]
    fn everything_that_is_no_network_is_named_and_the_rest_is_there() {
        let error = parse_cidrs(&["10.0.0.0/40", "10.0.0.0/8", "10.0.0.1"]).unwrap_err();

        assert_eq!(error.valid, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(error.to_string(), r#""10.0.0.0/40", "10.0.0.1" are no networks such as 10.0.0.0/8"#);
        let one = parse_cidrs(&["everyone"]).unwrap_err().to_string();
        assert_eq!(one, r#""everyone" is no network such as 10.0.0.0/8"#);
    }
}
