//! Conditions of `--fail-if`: `ratio(A,B) > NUMBER`, `time(A) > SECONDS`, `divergences(A) >
//! NUMBER`, each also with `<`, `>=`, `<=`.

use fsreplay_results::compare::Compare;

use crate::exit::{self, Failure};

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Ratio(String, String),
    Time(String),
    Divergences(String),
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    value: Value,
    operator: &'static str,
    bound: f64,
}

const OPERATORS: [&str; 4] = [">=", "<=", ">", "<"];

impl Condition {
    /// From what the user wrote.
    pub fn parse(text: &str) -> Result<Condition, Failure> {
        parse(text).ok_or_else(|| {
            let message = format!(
                "--fail-if {text}: give a condition such as 'ratio(volume,bind) > 0.8', \
                 'time(bind) > 30' or 'divergences(volume) > 0'"
            );
            Failure::new(exit::USAGE, message)
        })
    }

    /// The targets that it names.
    pub fn names(&self) -> Vec<&str> {
        match &self.value {
            Value::Ratio(one, other) => vec![one, other],
            Value::Time(name) | Value::Divergences(name) => vec![name],
        }
    }

    /// The option that it was given with.
    pub fn option(&self) -> String {
        format!("--fail-if {}", self.text)
    }

    fn is(&self, comparison: &Compare) -> Option<f64> {
        let target = |name: &str| comparison.target(name);
        let seconds = |name: &str| target(name)?.seconds.known();
        match &self.value {
            Value::Ratio(one, other) => Some(seconds(one)? / seconds(other)?),
            Value::Time(name) => seconds(name),
            Value::Divergences(name) => target(name).map(|target| target.divergences as f64),
        }
    }

    /// Whether it holds.
    pub fn holds(&self, comparison: &Compare) -> bool {
        self.is(comparison)
            .is_some_and(|value| match self.operator {
                ">=" => value >= self.bound,
                "<=" => value <= self.bound,
                ">" => value > self.bound,
                _ => value < self.bound,
            })
    }

    /// What was found, for people.
    pub fn explain(&self, comparison: &Compare) -> String {
        let value = self.is(comparison).unwrap_or(f64::NAN);
        format!("{} holds: it is {value:.3}", self.text)
    }
}

fn parse(text: &str) -> Option<Condition> {
    let operator = OPERATORS
        .into_iter()
        .find(|operator| text.contains(operator))?;
    let (left, right) = text.split_once(operator)?;
    let bound: f64 = right
        .trim()
        .parse()
        .ok()
        .filter(|bound: &f64| bound.is_finite())?;
    let (function, rest) = left.trim().split_once('(')?;
    let names: Vec<String> = rest
        .strip_suffix(')')?
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    let value = match (function.trim(), names.as_slice()) {
        ("ratio", [one, other]) => Value::Ratio(one.clone(), other.clone()),
        ("time", [name]) => Value::Time(name.clone()),
        ("divergences", [name]) => Value::Divergences(name.clone()),
        _ => return None,
    };
    Some(Condition {
        text: text.to_owned(),
        value,
        operator,
        bound,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_documented() {
        let condition = parse("ratio(volume, bind) >= 0.8").expect("a condition");
        assert_eq!(
            condition.value,
            Value::Ratio("volume".into(), "bind".into())
        );
        assert_eq!((condition.operator, condition.bound), (">=", 0.8));
        assert!(parse("time(bind)<30").is_some());
        assert!(parse("divergences(tmpfs) > 0").is_some());
        for wrong in [
            "",
            "ratio(a) > 1",
            "time(a,b) > 1",
            "speed(a) > 1",
            "time(a) > x",
            "time(a) = 1",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
