//! Results of earlier versions, made into what they would be today.

use fsreplay_measure::verdict::NEGLIGIBLE;
use serde_json::{Value, json};

/// Version 1 had no interval for times, which need nothing here ([`crate::Estimate`] is read from a
/// number, too), took the median of the rounds where there was no prediction, and had one verdict,
/// `no difference`, for what is the same and for what can't be told.
pub fn from_version_1(document: &mut Value) {
    let Some(targets) = document.get_mut("targets").and_then(Value::as_array_mut) else {
        return;
    };
    for target in targets {
        let Some(fields) = target.as_object_mut() else {
            continue;
        };
        let has_time = fields.contains_key("prediction_seconds") || fields.contains_key("seconds");
        if let Some(median) = fields.get("rounds").and_then(median).filter(|_| !has_time) {
            fields.insert("seconds".into(), json!(median));
        }
        if let Some(ratio) = fields.get_mut("ratio") {
            tell_apart(ratio);
        }
    }
}

fn tell_apart(ratio: &mut Value) {
    if ratio.get("verdict").and_then(Value::as_str) != Some("no difference") {
        return;
    }
    let bound = |name| ratio.get(name).and_then(Value::as_f64);
    let is_same = bound("low").is_some_and(|low| low >= 1.0 - NEGLIGIBLE)
        && bound("high").is_some_and(|high| high <= 1.0 + NEGLIGIBLE);
    if is_same {
        ratio["verdict"] = json!("the same");
    } else {
        ratio["verdict"] = json!("can't be told");
        ratio["reason"] =
            json!("an earlier version measured it, which didn't tell the same from unknown");
    }
}

fn median(rounds: &Value) -> Option<f64> {
    let mut sorted: Vec<f64> = rounds
        .as_array()?
        .iter()
        .filter_map(Value::as_f64)
        .filter(|seconds| seconds.is_finite())
        .collect();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some((sorted.get(below)? + sorted.get(above)?) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Verdict};

    fn verdict(low: f64, high: f64) -> Verdict {
        let text = json!({"schema_version": 1, "kind": "compare", "targets": [{
            "rounds": [3.0, 1.0], "prediction_seconds": null,
            "ratio": {"value": 1.0, "low": low, "high": high, "verdict": "no difference"},
        }]});
        let read = Document::parse("r.json", text.to_string().as_bytes()).expect("read");
        let Document::Compare(compare) = read else {
            panic!("no comparison");
        };
        assert_eq!(compare.targets[0].seconds.known(), Some(2.0));
        compare.targets[0].ratio.verdict
    }

    #[test]
    fn no_difference_was_two_things() {
        assert_eq!(verdict(0.96, 1.04), Verdict::Same);
        assert_eq!(verdict(0.16, 2.44), Verdict::CannotTell);
        assert_eq!(verdict(0.90, 1.01), Verdict::CannotTell);
    }
}
