//! What elements say of themselves in their property `stats`.

use gst::glib::{self, SendValue};
use gst::prelude::*;
use gstsupport::flow::ElementReport;
use serde_json::{Map, Value};

/// Every element of `bin` with statistics.
pub(super) fn reports(bin: &gst::Bin) -> Vec<ElementReport> {
    let mut reports: Vec<ElementReport> =
        bin.iterate_recurse().into_iter().flatten().filter_map(|element| report(&element)).collect();
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    reports
}

fn report(element: &gst::Element) -> Option<ElementReport> {
    let property = element.find_property("stats").filter(|property| {
        property.value_type() == gst::Structure::static_type()
            && property.flags().contains(glib::ParamFlags::READABLE)
    })?;
    let stats = element.property::<Option<gst::Structure>>(property.name())?;
    let mut fields = Map::new();
    flatten("", &stats, &mut fields);
    let factory = element.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
    Some(ElementReport { name: element.name().to_string(), factory, stats: fields })
}

/// Adds the fields of `structure` to `fields`, those of structures within under `outer.inner`.
fn flatten(prefix: &str, structure: &gst::StructureRef, fields: &mut Map<String, Value>) {
    for (name, value) in structure.iter() {
        let name = format!("{prefix}{name}");
        if let Ok(inner) = value.get::<gst::Structure>() {
            flatten(&format!("{name}."), &inner, fields);
        } else if let Some(value) = json(value) {
            fields.insert(name, value);
        }
    }
}

fn json(value: &SendValue) -> Option<Value> {
    let whole = || value.get::<u64>().map(Value::from).or_else(|_| value.get::<i64>().map(Value::from));
    let short = || value.get::<u32>().map(Value::from).or_else(|_| value.get::<i32>().map(Value::from));
    let other = || value.get::<f64>().map(Value::from).or_else(|_| value.get::<bool>().map(Value::from));
    let text = || value.get::<String>().map(Value::from);
    whole().or_else(|_| short()).or_else(|_| other()).or_else(|_| text()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_within_are_flattened() {
        gst::init().unwrap();
        let inner = gst::Structure::builder("x").field("p50", 1.5).build();
        let outer =
            gst::Structure::builder("y").field("frames", 3_u64).field("work", inner).field("text", "a");
        let mut fields = Map::new();
        flatten("", &outer.field("ok", true).build(), &mut fields);
        let expected = serde_json::json!({"frames": 3, "work.p50": 1.5, "text": "a", "ok": true});
        assert_eq!(Value::Object(fields), expected);
    }

    #[test]
    fn elements_without_statistics_are_left_out() {
        gst::init().unwrap();
        let bin = gst::parse::launch("queue ! fakesink name=out").unwrap().downcast::<gst::Bin>().unwrap();
        let names: Vec<String> = reports(&bin).into_iter().map(|report| report.name).collect();
        assert!(names.contains(&"out".to_owned()) && !names.iter().any(|name| name.starts_with("queue")));
    }
}
