//! Greedy non-maximum suppression.

use crate::detection::Detection;

/// At most `limit` of `detections`, surest first, equally sure ones in the order given.
pub fn surest(mut detections: Vec<Detection>, limit: usize) -> Vec<Detection> {
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    detections.truncate(limit);
    detections
}

/// Keeps the surest of each group of `detections` that overlap by more than `iou`, at most `limit`, surest first. Of two
/// equally sure ones the earlier counts as surer. Boxes of different classes do not suppress each other unless
/// `class_agnostic`.
pub fn suppress(detections: Vec<Detection>, iou: f32, class_agnostic: bool, limit: usize) -> Vec<Detection> {
    let mut kept: Vec<Detection> = Vec::new();
    for detection in surest(detections, usize::MAX) {
        if kept.len() == limit {
            break;
        }
        let rival = |other: &Detection| class_agnostic || other.class == detection.class;
        if !kept.iter().any(|other| rival(other) && other.rect.iou(&detection.rect) > iou) {
            kept.push(detection);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    fn detection(x: f32, score: f32, class: usize) -> Detection {
        Detection { rect: Rect { x, y: 0.0, width: 10.0, height: 10.0 }, score, class }
    }

    #[test]
    fn the_surest_of_a_group_stays() {
        let kept = suppress(
            vec![detection(0.0, 0.5, 0), detection(1.0, 0.9, 0), detection(50.0, 0.3, 0)],
            0.5,
            false,
            9,
        );
        assert_eq!(kept, [detection(1.0, 0.9, 0), detection(50.0, 0.3, 0)]);
    }

    #[test]
    fn a_suppressed_box_suppresses_nothing() {
        // 0 and 8 barely overlap; 4 overlaps both by 0.43.
        let chain = vec![detection(0.0, 0.9, 0), detection(4.0, 0.8, 0), detection(8.0, 0.7, 0)];
        assert_eq!(suppress(chain, 0.4, false, 9), [detection(0.0, 0.9, 0), detection(8.0, 0.7, 0)]);
    }

    #[test]
    fn classes_are_separate_unless_told() {
        let pair = vec![detection(0.0, 0.9, 0), detection(0.0, 0.8, 1)];
        assert_eq!(suppress(pair.clone(), 0.5, false, 9).len(), 2);
        assert_eq!(suppress(pair, 0.5, true, 9), [detection(0.0, 0.9, 0)]);
    }

    #[test]
    fn overlap_must_exceed_the_threshold() {
        let third = vec![detection(0.0, 0.9, 0), detection(5.0, 0.8, 0)];
        assert_eq!(suppress(third.clone(), 1.0 / 3.0, false, 9).len(), 2);
        assert_eq!(suppress(third, 0.33, false, 9).len(), 1);
    }

    #[test]
    fn ties_go_to_the_earlier_and_the_limit_holds() {
        let pair = vec![detection(1.0, 0.9, 0), detection(0.0, 0.9, 0), detection(80.0, 0.1, 0)];
        assert_eq!(suppress(pair, 0.5, false, 1), [detection(1.0, 0.9, 0)]);
    }
}
