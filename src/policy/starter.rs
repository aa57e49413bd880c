//! The policies that a new working folder begins with.

/// File name and text of each.
pub const STARTER: &[(&str, &str)] = &[
    ("10-everyone.cedar", include_str!("../../packaging/policies/10-everyone.cedar")),
    ("20-people.cedar", include_str!("../../packaging/policies/20-people.cedar")),
    ("30-pipelines.cedar", include_str!("../../packaging/policies/30-pipelines.cedar")),
    ("40-review.cedar", include_str!("../../packaging/policies/40-review.cedar")),
    ("50-approval.cedar", include_str!("../../packaging/policies/50-approval.cedar")),
    ("60-break-glass.cedar", include_str!("../../packaging/policies/60-break-glass.cedar")),
];
