using System.Globalization;

namespace CondDiffusion.Examples;

/// <summary>Options of the form <c>--name value</c>, and flags of the form <c>--name</c>.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = [];
    private readonly HashSet<string> _flags = [];

    public Arguments(string[] args, params string[] options)
        : this(args, options, flags: [])
    {
    }

    public Arguments(string[] args, string[] options, string[] flags)
    {
        for (var i = 0; i < args.Length; i++)
        {
            var name = args[i];
            if (flags.Contains(name))
            {
                _flags.Add(name);
                continue;
            }

            if (!options.Contains(name))
            {
                throw new UsageException(
                    $"Unknown option '{name}'; expected one of {string.Join(", ", options.Concat(flags))}.");
            }

            if (++i == args.Length) throw new UsageException($"Option {name} needs a value.");
            _values[name] = args[i];
        }
    }

    /// <summary>Returns whether an option or a flag is given.</summary>
    public bool Has(string name) => _flags.Contains(name) || _values.ContainsKey(name);

    public string? Find(string name) => _values.GetValueOrDefault(name);

    public string Text(string name) => Find(name) ?? throw new UsageException($"Option {name} is missing.");

    /// <summary>Returns a whole number of at least 1.</summary>
    public int Number(string name, int byDefault)
    {
        if (Find(name) is not { } text) return byDefault;
        return ParseNumber(text)
            ?? throw new UsageException($"Option {name} must be a whole number of at least 1, but is '{text}'.");
    }

    /// <summary>Returns the height and the width of images, which the option gives as N or HxW.</summary>
    public (int Height, int Width) Size(string name, int byDefault)
    {
        var text = Find(name) ?? $"{byDefault}";
        var lengths = text.Split('x');
        return lengths.Length <= 2 && ParseNumber(lengths[0]) is { } height && ParseNumber(lengths[^1]) is { } width
            ? (height, width)
            : throw new UsageException($"Option {name} must be a size such as 32 or 48x32, but is '{text}'.");
    }

    /// <summary>Returns the texts between commas; none without the option.</summary>
    public string[] List(string name) => Find(name)?.Split(',', StringSplitOptions.TrimEntries) ?? [];

    /// <summary>Returns a number that may have a fraction.</summary>
    public double Double(string name, double byDefault) => FindDouble(name) ?? byDefault;

    /// <summary>Returns a number that may have a fraction; null without the option.</summary>
    public double? FindDouble(string name)
    {
        if (Find(name) is not { } text) return null;
        return ParseDouble(text) ?? throw new UsageException($"Option {name} must be a number, but is '{text}'.");
    }

    /// <summary>Returns two numbers, as LOW,HIGH; null without the option.</summary>
    public (double Low, double High)? Interval(string name)
    {
        if (Find(name) is not { } text) return null;
        return ParseInterval(text, ',')
            ?? throw new UsageException($"Option {name} must be two numbers such as 0.5,5, but is '{text}'.");
    }

    /// <summary>Returns two numbers with a separator between them; null if the text is something else.</summary>
    public static (double Low, double High)? ParseInterval(string text, char separator)
    {
        var ends = text.Split(separator);
        return ends.Length == 2
            && ParseDouble(ends[0]) is { } low
            && ParseDouble(ends[1]) is { } high
                ? (low, high)
                : null;
    }

    /// <summary>Returns the member of an enumeration that the option names, in any case.</summary>
    public T Enum<T>(string name, T byDefault)
        where T : struct, Enum
    {
        if (Find(name) is not { } text) return byDefault;
        if (System.Enum.TryParse<T>(text, ignoreCase: true, out var value) && System.Enum.IsDefined(value))
            return value;
        var members = string.Join(", ", System.Enum.GetNames<T>());
        throw new UsageException($"Option {name} must be one of {members}, but is '{text}'.");
    }

    private static int? ParseNumber(string text) =>
        int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) && number >= 1
            ? number
            : null;

    /// <summary>Parses a number, in which a comma is an error: it would be a separator of thousands.</summary>
    private static double? ParseDouble(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;
}
