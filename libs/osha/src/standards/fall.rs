//! The standards on falls from a height, of whom a harness or something else has to protect.

use super::{Context, Scope, Standard, feet};
use Context::*;
use Scope::{Construction, GeneralIndustry};

pub(super) const STEEL: Standard =
    Standard::new(Construction, "29 CFR 1926.760(a)(1)", &[SteelErection]).above(feet(15.0));

pub(super) const SCAFFOLD: Standard =
    Standard::new(Construction, "29 CFR 1926.451(g)(1)", &[ScaffoldZone]).above(feet(10.0));

pub(super) const ROOF: Standard =
    Standard::new(Construction, "29 CFR 1926.501(b)(10)", &[RoofZone]).above(feet(6.0));

pub(super) const EDGE: Standard =
    Standard::new(Construction, "29 CFR 1926.501(b)(1)", &[EdgeZone]).above(feet(6.0));

pub(super) const EDGE_INDUSTRY: Standard =
    Standard::new(GeneralIndustry, "29 CFR 1910.28(b)(1)(i)", &[EdgeZone]).above(feet(4.0));
