//! Who stands before whom.

use crate::geometry::Rect;

/// How much lower in the picture a box has to be to be nearer to the camera, in heights.
const NEARER: f32 = 0.01;

/// How much of a box others take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Company {
    /// The greatest share that another box takes, 0 to 1.
    pub around: f32,
    /// The greatest share that a box nearer to the camera takes, 0 to 1.
    pub before: f32,
}

impl Company {
    /// Of `rect` among `others`.
    pub(super) fn of<'a>(rect: &Rect, others: impl Iterator<Item = &'a Rect>) -> Self {
        let area = rect.area().max(f32::MIN_POSITIVE);
        others.fold(Self::default(), |company, other| {
            let share = rect.intersection(other) / area;
            let before = if is_before(other, rect) { share } else { 0.0 };
            Self { around: company.around.max(share), before: company.before.max(before) }
        })
    }
}

/// Whether `a` is nearer to the camera. Centres tell, since the frame's edge may cut the feet.
fn is_before(a: &Rect, b: &Rect) -> bool {
    a.centre().1 - b.centre().1 > NEARER * b.height
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Rect = Rect { x: 100.0, y: 100.0, width: 60.0, height: 180.0 };

    fn beside(x: f32, y: f32) -> Company {
        Company::of(&BOX, [Rect { x: BOX.x + x, y: BOX.y + y, ..BOX }].iter())
    }

    #[test]
    fn only_the_lower_one_is_before() {
        let [lower, level, higher] = [18.0, 0.0, -18.0].map(|y| beside(30.0, y));
        assert!(
            (lower.around - 0.45).abs() < 1e-5,
            "half of the width, nine tenths of the height: {lower:?}"
        );
        assert_eq!((lower.before, higher.before, level.before), (lower.around, 0.0, 0.0));
        assert_eq!((higher.around, level.around), (lower.around, 0.5));
    }

    #[test]
    fn the_greatest_share_counts() {
        let others = [10.0, 40.0, 80.0].map(|x| Rect { x: BOX.x + x, ..BOX });
        assert!((Company::of(&BOX, others.iter()).around - 5.0 / 6.0).abs() < 1e-5);
        assert_eq!(Company::of(&BOX, [].iter()), Company::default());
    }
}
