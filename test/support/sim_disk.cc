#include "test/support/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <unordered_map>
#include <utility>

namespace millrace::support {

namespace {

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> components;
  std::string component;
  for (const char c : path + "/") {
    if (c != '/') {
      component += c;
    } else if (!component.empty()) {
      components.push_back(std::move(component));
      component.clear();
    }
  }
  return components;
}

// `entries` gives the entries of a directory that are to be changed.
template <typename Entries>
void ApplyChange(const SimChange& change, Entries entries) {
  if (change.needs.exists()) {
    const SimEntries& found = *entries(change.edits[0].directory.get());
    const auto entry = found.find(change.edits[0].name);
    if (entry == found.end() || !(entry->second == change.needs)) {
      return;
    }
  }
  for (const SimChange::Edit& edit : change.edits) {
    SimEntries& target = *entries(edit.directory.get());
    if (edit.node.exists()) {
      target[edit.name] = edit.node;
    } else {
      target.erase(edit.name);
    }
  }
}

// The tree that a power cut leaves. Remembers files, so that one stays one.
class CutTree {
 public:
  explicit CutTree(CutDice* dice) : dice_(dice) {}

  void Apply(const SimChange& change) {
    ApplyChange(change, [this](SimDirectory* directory) { return EntriesOf(directory); });
  }

  std::shared_ptr<SimDirectory> Build(SimDirectory* directory) {
    auto built = std::make_shared<SimDirectory>();
    const auto changed = changed_.find(directory);
    for (const auto& [name, node] :
         changed == changed_.end() ? directory->durable : changed->second) {
      built->live.emplace(name, SimNode{node.file ? BuildFile(node.file) : nullptr,
                                        node.directory ? Build(node.directory.get()) : nullptr});
    }
    built->durable = built->live;
    return built;
  }

 private:
  SimEntries* EntriesOf(SimDirectory* directory) {
    return &changed_.try_emplace(directory, directory->durable).first->second;
  }

  std::shared_ptr<SimFile> BuildFile(const std::shared_ptr<SimFile>& file) {
    std::shared_ptr<SimFile>& built = files_[file.get()];
    if (!built) {
      built = std::make_shared<SimFile>(file->id(), file->Cut(dice_));
    }
    return built;
  }

  CutDice* const dice_;
  std::unordered_map<const SimDirectory*, SimEntries> changed_;
  std::unordered_map<const SimFile*, std::shared_ptr<SimFile>> files_;
};

// Copies of nodes, each node once.
class NodeCopies {
 public:
  SimNode Copy(const SimNode& node) {
    return {node.file ? CopyFile(node.file) : nullptr,
            node.directory ? CopyDirectory(node.directory) : nullptr};
  }

  std::shared_ptr<SimFile> CopyFile(const std::shared_ptr<SimFile>& file) {
    std::shared_ptr<SimFile>& copy = files_[file.get()];
    if (!copy) {
      copy = file->Clone();
    }
    return copy;
  }

  std::shared_ptr<SimDirectory> CopyDirectory(const std::shared_ptr<SimDirectory>& directory) {
    if (const auto known = directories_.find(directory.get()); known != directories_.end()) {
      return known->second;
    }
    auto copy = std::make_shared<SimDirectory>();
    directories_[directory.get()] = copy;
    for (const auto& [name, node] : directory->live) {
      copy->live.emplace(name, Copy(node));
    }
    for (const auto& [name, node] : directory->durable) {
      copy->durable.emplace(name, Copy(node));
    }
    return copy;
  }

 private:
  std::unordered_map<const SimFile*, std::shared_ptr<SimFile>> files_;
  std::unordered_map<const SimDirectory*, std::shared_ptr<SimDirectory>> directories_;
};

uint64_t BytesIn(const SimDirectory& directory) {
  uint64_t bytes = 0;
  for (const auto& [name, node] : directory.live) {
    bytes += node.file ? node.file->blocks_bytes() : BytesIn(*node.directory);
  }
  return bytes;
}

void AddFilePaths(const SimDirectory& directory, const std::string& path,
                  std::vector<std::string>* paths) {
  for (const auto& [name, node] : directory.live) {
    const std::string child = path + "/" + name;
    if (node.file) {
      paths->push_back(child);
    } else {
      AddFilePaths(*node.directory, child, paths);
    }
  }
}

}  // namespace

SimDisk::SimDisk(const std::string& root, uint64_t capacity_bytes)
    : root_(root), capacity_bytes_(capacity_bytes), top_(std::make_shared<SimDirectory>()) {}

uint64_t SimDisk::UsedBytes() {
  std::erase_if(unlinked_, [](const std::shared_ptr<SimFile>& file) { return file->handles == 0; });
  uint64_t bytes = BytesIn(*top_);
  for (const std::shared_ptr<SimFile>& file : unlinked_) {
    bytes += file->blocks_bytes();
  }
  return bytes;
}

int SimDisk::Find(const std::string& path, SimNode* node) {
  const std::vector<std::string> root = Components(root_);
  const std::vector<std::string> components = Components(path);
  if (components.size() < root.size() ||
      !std::equal(root.begin(), root.end(), components.begin())) {
    return -ENOENT;
  }
  *node = SimNode{nullptr, top_};
  for (size_t i = root.size(); i < components.size(); ++i) {
    if (!node->directory) {
      return -ENOTDIR;
    }
    const auto entry = node->directory->live.find(components[i]);
    if (entry == node->directory->live.end()) {
      return -ENOENT;
    }
    const SimNode found = entry->second;
    *node = found;
  }
  return 0;
}

int SimDisk::FindParent(const std::string& path, std::shared_ptr<SimDirectory>* parent,
                        std::string* name) {
  const std::vector<std::string> components = Components(path);
  if (components.size() <= Components(root_).size()) {
    return -ENOENT;
  }
  *name = components.back();
  SimNode node;
  const int found = Find(path.substr(0, path.rfind(*name)), &node);
  if (found < 0) {
    return found;
  }
  *parent = node.directory;
  return node.directory ? 0 : -ENOTDIR;
}

bool SimDisk::IsAboveRoot(const std::string& path) const {
  const std::vector<std::string> root = Components(root_);
  const std::vector<std::string> components = Components(path);
  return components.size() < root.size() &&
         std::equal(components.begin(), components.end(), root.begin());
}

void SimDisk::Change(SimChange change) {
  ApplyChange(change, [](SimDirectory* directory) { return &directory->live; });
  pending_.push_back(std::move(change));
}

int SimDisk::CreateFile(const std::string& path, std::shared_ptr<SimFile>* file) {
  std::shared_ptr<SimDirectory> parent;
  std::string name;
  const int found = FindParent(path, &parent, &name);
  if (found < 0) {
    return found;
  }
  *file = std::make_shared<SimFile>(next_file_id_++, std::make_shared<FileImage>());
  Change({{{parent, name, {*file, nullptr}}}, {}});
  return 0;
}

int SimDisk::MakeDirectory(const std::string& path) {
  SimNode node;
  if (IsAboveRoot(path) || Find(path, &node) == 0) {
    return -EEXIST;
  }
  std::shared_ptr<SimDirectory> parent;
  std::string name;
  const int found = FindParent(path, &parent, &name);
  if (found < 0) {
    return found;
  }
  Change({{{parent, name, {nullptr, std::make_shared<SimDirectory>()}}}, {}});
  return 0;
}

int SimDisk::Rename(const std::string& from, const std::string& to) {
  SimNode node;
  if (const int found = Find(from, &node); found < 0) {
    return found;
  }
  if (node.directory && (to + "/").starts_with(from + "/") && to != from) {
    return -EINVAL;  // into itself
  }
  std::shared_ptr<SimDirectory> from_parent;
  std::shared_ptr<SimDirectory> to_parent;
  std::string from_name;
  std::string to_name;
  if (const int found = FindParent(from, &from_parent, &from_name); found < 0) {
    return found;
  }
  if (const int found = FindParent(to, &to_parent, &to_name); found < 0) {
    return found;
  }
  SimNode replaced;
  if (Find(to, &replaced) == 0) {
    if (replaced == node) {
      return 0;
    }
    if (replaced.directory || node.directory) {
      return !replaced.directory ? -ENOTDIR : node.directory ? -ENOTEMPTY : -EISDIR;
    }
    unlinked_.push_back(replaced.file);
  }
  Change({{{from_parent, from_name, {}}, {to_parent, to_name, node}}, node});
  return 0;
}

int SimDisk::Unlink(const std::string& path) {
  SimNode node;
  if (const int found = Find(path, &node); found < 0) {
    return found;
  }
  if (node.directory) {
    return -EISDIR;
  }
  std::shared_ptr<SimDirectory> parent;
  std::string name;
  if (const int found = FindParent(path, &parent, &name); found < 0) {
    return found;
  }
  unlinked_.push_back(node.file);
  Change({{{parent, name, {}}}, node});
  return 0;
}

std::vector<bool> SimDisk::ChangesToSync(const SimDirectory* directory) const {
  std::vector<bool> wanted(pending_.size(), false);
  std::set<std::pair<const SimDirectory*, std::string>> names;
  for (size_t i = pending_.size(); i-- > 0;) {
    const std::vector<SimChange::Edit>& edits = pending_[i].edits;
    wanted[i] = std::any_of(edits.begin(), edits.end(), [&](const SimChange::Edit& edit) {
      return edit.directory.get() == directory || names.contains({edit.directory.get(), edit.name});
    });
    for (const SimChange::Edit& edit : edits) {
      if (wanted[i]) {
        names.emplace(edit.directory.get(), edit.name);
      }
    }
  }
  return wanted;
}

int SimDisk::SyncDirectory(const std::string& path) {
  if (IsAboveRoot(path)) {
    return 0;
  }
  SimNode node;
  if (const int found = Find(path, &node); found < 0) {
    return found;
  }
  if (!node.directory) {
    return -ENOTDIR;
  }
  const std::vector<bool> wanted = ChangesToSync(node.directory.get());
  std::vector<SimChange> left;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (wanted[i]) {
      ApplyChange(pending_[i], [](SimDirectory* directory) { return &directory->durable; });
    } else {
      left.push_back(std::move(pending_[i]));
    }
  }
  pending_ = std::move(left);
  return 0;
}

int SimDisk::List(const std::string& path, std::vector<std::string>* names) {
  names->clear();
  SimNode node;
  if (const int found = Find(path, &node); found < 0) {
    return found;
  }
  if (!node.directory) {
    return -ENOTDIR;
  }
  // Backwards: whoever needs an order must make it.
  for (auto entry = node.directory->live.rbegin(); entry != node.directory->live.rend(); ++entry) {
    names->push_back(entry->first);
  }
  return 0;
}

std::vector<std::string> SimDisk::FilePaths() const {
  std::vector<std::string> paths;
  AddFilePaths(*top_, root_, &paths);
  std::sort(paths.begin(), paths.end());
  return paths;
}

void SimDisk::AddWritableMap(const std::shared_ptr<SimFile>& file) {
  ++storable_.try_emplace(file->id(), Storable{file, 0}).first->second.maps;
}

void SimDisk::RemoveWritableMap(const std::shared_ptr<SimFile>& file) {
  const auto storable = storable_.find(file->id());
  if (--storable->second.maps == 0) {
    storable_.erase(storable);
  }
}

std::shared_ptr<SimDisk> SimDisk::Cut(CutDice* dice) {
  CutTree tree(dice);
  for (const SimChange& change : pending_) {
    if (dice->KeepEntry()) {
      tree.Apply(change);
    }
  }
  auto disk = std::make_shared<SimDisk>(root_, capacity_bytes_);
  disk->top_ = tree.Build(top_.get());
  disk->next_file_id_ = next_file_id_;
  return disk;
}

std::shared_ptr<SimDisk> SimDisk::Clone() {
  NodeCopies copies;
  auto disk = std::make_shared<SimDisk>(root_, capacity_bytes_);
  disk->top_ = copies.CopyDirectory(top_);
  for (const SimChange& change : pending_) {
    SimChange copy{{}, copies.Copy(change.needs)};
    for (const SimChange::Edit& edit : change.edits) {
      copy.edits.push_back(
          {copies.CopyDirectory(edit.directory), edit.name, copies.Copy(edit.node)});
    }
    disk->pending_.push_back(std::move(copy));
  }
  disk->next_file_id_ = next_file_id_;
  disk->journal_aborted_ = journal_aborted_;
  return disk;
}

}  // namespace millrace::support
