//! Profiles: what they measure and how much, not their stacks.

use corten_proto::otlp::collector::ExportProfilesServiceRequest;
use corten_proto::otlp::profiles::{Profile, ProfilesDictionary, ValueType};

use super::page::Page;
use super::value::{Escaped, Hex, Plain, Time, Typed, resource, scope};

pub(super) fn write(page: &mut Page, request: &ExportProfilesServiceRequest) {
    let none = ProfilesDictionary::default();
    let dictionary = request.dictionary.as_ref().unwrap_or(&none);
    for (number, profiles) in request.resource_profiles.iter().enumerate() {
        resource(page, "ResourceProfiles", number, profiles.resource.as_ref(), &profiles.schema_url);
        for (number, profiles) in profiles.scope_profiles.iter().enumerate() {
            scope(page, "ScopeProfiles", number, profiles.scope.as_ref(), &profiles.schema_url);
            page.end_part();
            for (number, profile) in profiles.profiles.iter().enumerate() {
                write_profile(page, number, profile, dictionary);
                page.end_part();
            }
        }
    }
}

fn write_profile(page: &mut Page, number: usize, profile: &Profile, dictionary: &ProfilesDictionary) {
    let (kind, unit) = names(profile.sample_type.as_ref(), dictionary);
    let (kind, unit) = (Escaped(kind), Escaped(unit));
    let id = Hex(&profile.profile_id);
    let samples = profile.samples.len();
    if !page.detailed {
        page.line(format_args!("{kind}/{unit} {id} samples={samples}{}", Attributes { profile, dictionary }));
        return;
    }
    page.line(format_args!("Profile #{number}"));
    page.inside(|page| {
        page.line(format_args!("Profile ID: {id}"));
        page.line(format_args!("Time: {}", Time(profile.time_unix_nano)));
        page.line(format_args!("Duration: {} ns", profile.duration_nano));
        page.line(format_args!("Sample type: {kind} in {unit}"));
        let (kind, unit) = names(profile.period_type.as_ref(), dictionary);
        page.line(format_args!("Period: {} {} {}", profile.period, Escaped(kind), Escaped(unit)));
        page.line(format_args!("Samples: {samples}"));
        for index in &profile.attribute_indices {
            if let Some(pair) = dictionary.attribute_table.get(*index as usize) {
                let key = text(pair.key_strindex, dictionary);
                page.line(format_args!("-> {}: {}", Escaped(key), Typed(pair.value.as_ref())));
            }
        }
    });
}

struct Attributes<'a> {
    profile: &'a Profile,
    dictionary: &'a ProfilesDictionary,
}

impl std::fmt::Display for Attributes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs = self.profile.attribute_indices.iter();
        pairs.filter_map(|index| self.dictionary.attribute_table.get(*index as usize)).try_for_each(|pair| {
            write!(f, " {}={}", Escaped(text(pair.key_strindex, self.dictionary)), Plain(pair.value.as_ref()))
        })
    }
}

fn names<'a>(of: Option<&ValueType>, dictionary: &'a ProfilesDictionary) -> (&'a str, &'a str) {
    of.map_or(("", ""), |of| (text(of.type_strindex, dictionary), text(of.unit_strindex, dictionary)))
}

/// Negative indices wrap to what no table has.
fn text(index: i32, dictionary: &ProfilesDictionary) -> &str {
    dictionary.string_table.get(index as usize).map_or("", String::as_str)
}
