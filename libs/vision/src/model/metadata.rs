//! What exporters write into a model's metadata.

use std::collections::BTreeMap;

use super::{ContractError, literal};

/// A model's metadata, read as ultralytics, YOLOv5 and their kin write it.
pub(super) struct Metadata<'a>(pub &'a BTreeMap<String, String>);

impl Metadata<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ContractError> {
        let Some(found) = self.get(key) else {
            return Ok(None);
        };
        let error = |problem| ContractError::Metadata { key, found: found.into(), problem };
        parse(found).map(Some).map_err(error)
    }

    /// The task, if it is another than detection.
    pub fn other_task(&self) -> Option<String> {
        const OTHERS: [&str; 4] = ["segment", "pose", "obb", "classify"];
        let head = self.get("head").unwrap_or_default().to_ascii_lowercase();
        match self.get("task") {
            Some(task) => Some(task).filter(|task| *task != "detect"),
            None => OTHERS.into_iter().find(|other| head.contains(other)),
        }
        .map(Into::into)
    }

    /// Class names.
    pub fn names(&self) -> Result<Option<Vec<String>>, ContractError> {
        self.parsed("names", |text| {
            let names = literal::names(text)?;
            if names.is_empty() { Err("expected at least one class name".into()) } else { Ok(names) }
        })
    }

    /// Input height and width.
    pub fn image_size(&self) -> Result<Option<(usize, usize)>, ContractError> {
        self.parsed("imgsz", |text| {
            let numbers: Result<Vec<usize>, _> =
                text.trim_matches(['[', ']', '(', ')']).split(',').map(number).collect();
            match numbers.as_deref() {
                Ok([size]) => Ok((*size, *size)),
                Ok([height, width]) => Ok((*height, *width)),
                _ => Err("expected `[height, width]`".into()),
            }
        })
    }

    /// The coarsest stride.
    pub fn stride(&self) -> Result<Option<usize>, ContractError> {
        self.parsed("stride", |text| {
            let strides: Result<Vec<usize>, _> =
                text.trim_matches(['[', ']']).split(',').map(number).collect();
            strides
                .ok()
                .and_then(|strides| strides.into_iter().max())
                .ok_or_else(|| "expected a whole number above 0".into())
        })
    }

    /// Whether overlapping boxes are suppressed in the graph.
    pub fn end_to_end(&self) -> bool {
        let yes = |key| self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        yes("end2end") || yes("nms") || self.argument("nms").is_some_and(|value| value == "true")
    }

    /// An entry of the exporter's arguments, in lower case.
    fn argument(&self, name: &str) -> Option<String> {
        let plain: String =
            self.get("args")?.chars().filter(|c| !matches!(c, '{' | '}' | '\'' | '"' | ' ')).collect();
        let pairs = plain.split(',').filter_map(|pair| pair.split_once(':'));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_ascii_lowercase())
    }

    /// Whether the model is an RT-DETR.
    pub fn rt_detr(&self) -> bool {
        let says = |key| {
            self.get(key).is_some_and(|text| text.to_ascii_lowercase().replace('-', "").contains("rtdetr"))
        };
        says("head") || says("description")
    }

    /// Whether the exporter names the head, which it does since RT-DETR chooses the best classes in the graph.
    pub fn names_head(&self) -> bool {
        self.get("head").is_some()
    }

    /// Whether there is what the YOLO exporters write.
    pub fn is_yolo(&self) -> bool {
        self.get("stride").is_some() && self.get("names").is_some()
    }
}

/// A number above 0; exporters write whole numbers as floats at times.
fn number(text: &str) -> Result<usize, ()> {
    let value: f64 = text.trim().parse().map_err(|_| ())?;
    if value >= 1.0 && value <= f64::from(u16::MAX) && value.fract() == 0.0 {
        Ok(value as usize)
    } else {
        Err(())
    }
}
