/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A full-text index in C++ containers that many threads build: index [OPTION]... [DIR]
 *
 * Each thread indexes its own documents in its own map, and then moves the entries to the shards of
 * the common index, each with a lock. Memory is therefore freed by other threads than those that
 * allocated it. Maps, strings and lists of postings are all in one PMEM kind in DIR. The documents
 * are generated, so that the postings of each word can be checked by reading all documents again.
 */
#include <pmem_allocator.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <scoped_allocator>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <getopt.h>

namespace
{

constexpr const char *default_dir = "/dev/shm";
constexpr unsigned default_threads = 8;
constexpr unsigned default_documents = 20000;
constexpr unsigned words_in_document = 60;
constexpr unsigned vocabulary = 5000;
constexpr unsigned shards = 16;
constexpr int exit_usage = 2;

template <typename T> using pmem = libmemkind::pmem::allocator<T>;
template <typename T> using scoped = std::scoped_allocator_adaptor<pmem<T>>;

using text = std::basic_string<char, std::char_traits<char>, pmem<char>>;
using postings = std::vector<std::uint32_t, pmem<std::uint32_t>>;

struct text_hash {
    std::size_t operator()(const text &word) const
    {
        std::size_t hash = 5381;
        for (char letter : word)
            hash = hash * 33 + static_cast<unsigned char>(letter);
        return hash;
    }
};

using local_index = std::unordered_map<text, postings, text_hash, std::equal_to<text>,
                                       scoped<std::pair<const text, postings>>>;
using shard_index =
    std::map<text, postings, std::less<text>, scoped<std::pair<const text, postings>>>;

struct shard {
    explicit shard(const pmem<char> &memory) : words(memory)
    {
    }
    std::mutex lock;
    shard_index words;
};

/* The word at a place of a document. It is long enough that strings are on the heap. */
unsigned word_number(std::uint32_t document, unsigned place)
{
    std::uint64_t random =
        (document * std::uint64_t{words_in_document} + place + 1) * UINT64_C(0x9e3779b97f4a7c15);
    random = (random ^ random >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
    /* Small numbers are more frequent. */
    unsigned range = vocabulary >> ((random >> 60) & 7);
    return static_cast<unsigned>((random >> 20) % range);
}

text word_text(unsigned number, const pmem<char> &memory)
{
    char letters[32];
    std::snprintf(letters, sizeof(letters), "a-word-with-the-number-%05u", number);
    return text(letters, memory);
}

local_index index_documents(std::uint32_t first, std::uint32_t end, const pmem<char> &memory)
{
    local_index words(16, text_hash(), std::equal_to<text>(), memory);

    for (std::uint32_t document = first; document < end; document++)
        for (unsigned place = 0; place < words_in_document; place++) {
            postings &found = words[word_text(word_number(document, place), memory)];
            if (found.empty() || found.back() != document)
                found.push_back(document);
        }
    return words;
}

void move_to_shards(local_index &words, std::deque<shard> &index)
{
    for (auto it = words.begin(); it != words.end(); it = words.erase(it)) {
        shard &target = index[text_hash()(it->first) % shards];
        std::lock_guard<std::mutex> guard(target.lock);
        postings &all = target.words[it->first];
        all.insert(all.end(), it->second.begin(), it->second.end());
    }
}

/* The message of an exception in a thread. */
class failure
{
  public:
    void note(const char *what)
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (text_.empty())
            text_ = what;
    }
    const std::string &text() const
    {
        return text_;
    }

  private:
    std::mutex lock_;
    std::string text_;
};

void build(std::deque<shard> &index, unsigned thread_count, std::uint32_t documents,
           const pmem<char> &memory)
{
    std::vector<std::thread> threads;
    failure failed;

    for (unsigned i = 0; i < thread_count; i++)
        threads.emplace_back([&, i] {
            try {
                /* In pieces, so that threads build and merge at the same time. */
                constexpr std::uint32_t piece = 250;
                for (std::uint32_t first = i * piece; first < documents;
                     first += thread_count * piece) {
                    local_index words =
                        index_documents(first, std::min(first + piece, documents), memory);
                    move_to_shards(words, index);
                }
            } catch (const std::exception &error) {
                failed.note(error.what());
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    if (!failed.text().empty())
        throw std::runtime_error(failed.text());
}

/* Returns whether the index equals one that a single thread builds, with libc's memory. */
bool is_right(std::deque<shard> &index, std::uint32_t documents, const pmem<char> &memory)
{
    std::vector<std::vector<std::uint32_t>> expected(vocabulary);
    std::size_t words = 0;

    for (std::uint32_t document = 0; document < documents; document++)
        for (unsigned place = 0; place < words_in_document; place++) {
            auto &found = expected[word_number(document, place)];
            if (found.empty() || found.back() != document)
                found.push_back(document);
        }
    for (shard &part : index)
        words += part.words.size();
    for (unsigned number = 0; number < vocabulary; number++) {
        if (expected[number].empty())
            continue;
        words--;
        text word = word_text(number, memory);
        auto &part = index[text_hash()(word) % shards].words;
        auto found = part.find(word);
        if (found == part.end())
            return false;
        std::sort(found->second.begin(), found->second.end());
        if (found->second.size() != expected[number].size() ||
            !std::equal(found->second.begin(), found->second.end(), expected[number].begin()))
            return false;
    }
    return words == 0;
}

int run(unsigned threads, std::uint32_t documents, const char *dir)
{
    pmem<char> memory(dir, 0);
    std::deque<shard> index;

    for (unsigned i = 0; i < shards; i++)
        index.emplace_back(memory);
    build(index, threads, documents, memory);
    std::size_t words = 0;
    std::size_t found = 0;
    for (const shard &part : index) {
        words += part.words.size();
        for (const auto &entry : part.words)
            found += entry.second.size();
    }
    std::printf("%u threads, %u documents: %zu words, %zu postings\n", threads,
                static_cast<unsigned>(documents), words, found);
    if (!is_right(index, documents, memory)) {
        std::fprintf(stderr, "index: it is not what the documents say\n");
        return EXIT_FAILURE;
    }
    std::puts("the index is right");
    return EXIT_SUCCESS;
}

void print_usage(std::FILE *stream)
{
    std::fprintf(stream,
                 "usage: index [OPTION]... [DIR]\n"
                 "Builds a full-text index in C++ containers in a PMEM kind in DIR (%s).\n"
                 "  --threads N    that build it (%u)\n"
                 "  --documents N  to index (%u)\n",
                 default_dir, default_threads, default_documents);
}

bool parse(const char *argument, unsigned long most, unsigned &number)
{
    char *end;

    errno = 0;
    unsigned long value = std::strtoul(argument, &end, 10);
    number = static_cast<unsigned>(value);
    return errno == 0 && end != argument && *end == '\0' && argument[0] != '-' && value != 0 &&
           value <= most;
}

} // namespace

int main(int argc, char **argv)
{
    static const option options[] = {
        {"threads", required_argument, nullptr, 't'},
        {"documents", required_argument, nullptr, 'd'},
        {"help", no_argument, nullptr, 'h'},
        {nullptr, 0, nullptr, 0},
    };
    unsigned threads = default_threads;
    unsigned documents = default_documents;
    bool valid = true;
    int letter;

    while (valid && (letter = getopt_long(argc, argv, "", options, nullptr)) != -1) {
        if (letter == 'h') {
            print_usage(stdout);
            return EXIT_SUCCESS;
        }
        valid = (letter == 't' && parse(optarg, 1000, threads)) ||
                (letter == 'd' && parse(optarg, 1000000000, documents));
    }
    if (!valid || argc - optind > 1) {
        print_usage(stderr);
        return exit_usage;
    }
    try {
        return run(threads, documents, optind < argc ? argv[optind] : default_dir);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "index: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
