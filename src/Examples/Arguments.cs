using System.Globalization;

namespace CondDiffusion.Examples;

/// <summary>The command line was wrong: the message says how, and the usage follows.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>Options of the form <c>--name value</c>.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = [];

    public Arguments(string[] args, params string[] known)
    {
        for (var i = 0; i < args.Length; i += 2)
        {
            var name = args[i];
            if (!known.Contains(name)) throw new UsageException($"Unknown option '{name}'; expected one of {string.Join(", ", known)}.");
            if (i + 1 == args.Length) throw new UsageException($"Option {name} needs a value.");
            _values[name] = args[i + 1];
        }
    }

    public string? Find(string name) => _values.GetValueOrDefault(name);

    public string Text(string name) => Find(name) ?? throw new UsageException($"Option {name} is missing.");

    public int Number(string name, int byDefault)
    {
        if (Find(name) is not { } text) return byDefault;
        return int.TryParse(text, out var number) && number >= 1
            ? number
            : throw new UsageException($"Option {name} must be a whole number of at least 1, but is '{text}'.");
    }

    /// <summary>A number with a fraction, or the name of one of an enumeration's values.</summary>
    public T Value<T>(string name, T byDefault)
        where T : struct
    {
        if (Find(name) is not { } text) return byDefault;
        if (byDefault is double && double.TryParse(text, CultureInfo.InvariantCulture, out var number)) return (T)(object)number;
        if (byDefault is Enum && Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.IsDefined(typeof(T), value)) return value;
        var expected = byDefault is Enum ? $"one of {string.Join(", ", Enum.GetNames(typeof(T)))}" : "a number";
        throw new UsageException($"Option {name} must be {expected}, but is '{text}'.");
    }
}
