#include "server/store/memory/fifo.h"

#include <algorithm>

namespace errand::store {
namespace {

size_t KindIndex(const Record* record) { return static_cast<size_t>(task::KindOf(*record->spec)); }

WaitingLine& LineOf(Record* record) { return record->queue->waiting[KindIndex(record)]; }

RecordList& ListOf(Record* record) { return LineOf(record).by_priority[record->spec->priority()]; }

}  // namespace

void RecordList::PushBack(Record* record) {
  record->previous = back;
  record->next = nullptr;
  (back != nullptr ? back->next : front) = record;
  back = record;
}

void RecordList::PushFront(Record* record) {
  record->previous = nullptr;
  record->next = front;
  (front != nullptr ? front->previous : back) = record;
  front = record;
}

void RecordList::Remove(Record* record) {
  (record->previous != nullptr ? record->previous->next : front) = record->next;
  (record->next != nullptr ? record->next->previous : back) = record->previous;
  record->previous = record->next = nullptr;
}

void Fifo::PushBack(Record* record) {
  ListOf(record).PushBack(record);
  Joined(record);
}

void Fifo::PushFront(Record* record) {
  ListOf(record).PushFront(record);
  Joined(record);
}

void Fifo::Joined(Record* record) {
  if (++LineOf(record).size == 1) turns_[KindIndex(record)].push_back(record->queue);
}

void Fifo::Unlink(Record* record) {
  ListOf(record).Remove(record);
  --LineOf(record).size;
}

void Fifo::Remove(Record* record) {
  Unlink(record);
  if (LineOf(record).size > 0) return;
  auto& turns = turns_[KindIndex(record)];
  turns.erase(std::find(turns.begin(), turns.end(), record->queue));
}

Record* Fifo::Pop(task::HandlerKind kind) {
  auto& turns = turns_[static_cast<size_t>(kind)];
  if (turns.empty()) return nullptr;
  Queue* queue = turns.front();
  turns.pop_front();
  WaitingLine& line = queue->waiting[static_cast<size_t>(kind)];
  for (int priority = task::kMaxPriority;; --priority) {
    Record* record = line.by_priority[priority].front;
    if (record == nullptr) continue;
    Unlink(record);
    if (line.size > 0) turns.push_back(queue);
    return record;
  }
}

}  // namespace errand::store
