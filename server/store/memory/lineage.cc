#include "server/store/memory/lineage.h"

#include <limits>
#include <utility>

#include "server/store/memory/record.h"

namespace errand::store {

std::string Lineage::Name() const { return record == nullptr ? name : record->name(); }

bool Lineage::IsBelow(const Lineage& ancestor) const {
  for (const Lineage* above = parent; above != nullptr; above = above->parent) {
    if (above == &ancestor) return true;
  }
  return false;
}

Lineage* Lineages::New(uint64_t order, Lineage* parent, Record* record) {
  auto owned = std::make_unique<Lineage>(order, parent);
  Lineage* const place = owned.get();
  if (parent != nullptr) {
    ++parent->children;
    place->root->family.emplace_hint(place->root->family.end(), order, place);
  }
  place->record = record;
  if (record != nullptr) record->Grown().lineage = place;
  places_.emplace(order, std::move(owned));
  return place;
}

Lineage* Lineages::Of(Record& record) {
  Lineage* const place = record.lineage();
  return place != nullptr ? place : New(record.order, nullptr, &record);
}

void Lineages::Add(Lineage* parent, Record& record, uint64_t lease) {
  if (parent->root->living == 0) parent->root->since = lease;
  Revived(New(record.order, parent, &record));
}

const Lineage* Lineages::CancelledAbove(const Lineage* place) {
  while (place != nullptr && !place->cancelled) place = place->parent;
  return place;
}

void Lineages::Revived(Lineage* place) {
  for (Lineage* above = place->parent; above != nullptr; above = above->parent) ++above->living;
}

void Lineages::Ended(Lineage* place) {
  CheckMark(place);
  for (Lineage* above = place->parent; above != nullptr; above = above->parent) {
    --above->living;
    CheckMark(above);
  }
}

void Lineages::CheckMark(Lineage* place) {
  const bool lives = place->living > 0 || (place->record != nullptr && !place->record->ended());
  if (!place->cancelled || lives) return;
  place->cancelled = false;
  cancelled_.erase(place);
  uncancelled_.push_back(place->order);
}

std::vector<uint64_t> Lineages::TakeUncancelled() { return std::exchange(uncancelled_, {}); }

bool Lineages::Cancel(Lineage* place) {
  if (place->living == 0) return false;
  place->cancelled = true;
  cancelled_.insert(place);
  return true;
}

void Lineages::Forgotten(Lineage* place, bool lived) {
  if (place->children > 0) Keep(place, place->record->name());
  place->record = nullptr;
  if (lived) Ended(place);
  Prune(place);
}

void Lineages::Keep(Lineage* place, std::string name) {
  place->name = std::move(name);
  forgotten_.emplace(std::pair(place->name, place->order), place);
}

void Lineages::Prune(Lineage* place) {
  while (place != nullptr && place->record == nullptr && place->children == 0) {
    Lineage* const parent = place->parent;
    if (parent != nullptr) {
      --parent->children;
      place->root->family.erase(place->order);
    }
    forgotten_.erase(std::pair(place->name, place->order));
    places_.erase(place->order);
    place = parent;
  }
}

Lineage* Lineages::Find(uint64_t order) const {
  const auto it = places_.find(order);
  return it == places_.end() ? nullptr : it->second.get();
}

Lineage* Lineages::FindForgotten(absl::string_view name) const {
  const std::string own(name);
  auto it = forgotten_.upper_bound(std::pair(own, std::numeric_limits<uint64_t>::max()));
  if (it == forgotten_.begin() || (--it)->first.first != own) return nullptr;
  return it->second;
}

Lineage* Lineages::Restore(uint64_t order, Lineage* parent, std::string name, Record* record) {
  if (Lineage* const known = Find(order); known != nullptr) return known;
  Lineage* const place = New(order, parent, record);
  if (record == nullptr) Keep(place, std::move(name));
  return place;
}

}  // namespace errand::store
