using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace CondDiffusion.MLNet.Data;

/// <summary>
/// Names a directory for each label, such that any system can have them side by side, also one that ignores case.
/// </summary>
internal sealed partial class DirectoryNames
{
    // File systems allow 255 bytes or characters, encrypted ones 143, and some systems 260 for the whole path.
    private const int MostBytes = 100;

    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);
    private readonly HashSet<string> _taken = new([ImageFolderMetadata.FileName], StringComparer.OrdinalIgnoreCase);

    /// <summary>Returns the name of a label's directory, which also depends on the labels before it.</summary>
    public string Of(string label)
    {
        if (_names.TryGetValue(label, out var name)) return name;

        // A name that is taken differs from this one in case at most, so escaping letters makes it another.
        name = Create(label, escapedLetters: 0);
        for (var letters = 1; !_taken.Add(name) && letters <= label.Length; letters++)
            name = Create(label, letters);
        return _names[label] = name;
    }

    private static string Create(string label, int escapedLetters)
    {
        Rune[] runes = [.. label.EnumerateRunes()];
        var isDevice = DeviceName().IsMatch(label);
        var parts = new List<string>();
        for (var i = 0; i < runes.Length; i++)
        {
            var isFirst = i == 0;
            var isSafe = IsSafe(runes[i], isFirst || i == runes.Length - 1) && !(isFirst && isDevice);
            if (HasCase(runes[i]) && escapedLetters-- > 0) isSafe = false;
            parts.Add(isSafe ? runes[i].ToString() : Escape(runes[i]));
        }

        if (parts.Sum(part => Encoding.UTF8.GetByteCount(part)) <= MostBytes) return string.Concat(parts);

        var hash = $"-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(label)))[..16]}";
        var room = MostBytes - hash.Length;
        return string.Concat(parts.TakeWhile(part => (room -= Encoding.UTF8.GetByteCount(part)) >= 0)) + hash;
    }

    private static bool IsSafe(Rune rune, bool isAtAnEnd) =>
        !Rune.IsControl(rune) &&
        !"<>:\"/\\|?*%".Contains(rune.ToString(), StringComparison.Ordinal) &&
        !(isAtAnEnd && rune.Value is ('.' or ' '));

    private static bool HasCase(Rune rune) => Rune.ToUpperInvariant(rune) != Rune.ToLowerInvariant(rune);

    private static string Escape(Rune rune) =>
        string.Concat(Encoding.UTF8.GetBytes(rune.ToString()).Select(value => $"%{value:X2}"));

    /// <summary>The names that mean a device on Windows, whatever follows after a dot.</summary>
    [GeneratedRegex(
        @"^(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.|$)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex DeviceName();
}
