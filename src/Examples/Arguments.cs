using System.Globalization;

namespace CondDiffusion.Examples;

/// <summary>Options of the form <c>--name value</c>.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = [];

    public Arguments(string[] args, params string[] known)
    {
        for (var i = 0; i < args.Length; i += 2)
        {
            var name = args[i];
            if (!known.Contains(name))
                throw new UsageException($"Unknown option '{name}'; expected one of {string.Join(", ", known)}.");
            if (i + 1 == args.Length)
                throw new UsageException($"Option {name} needs a value.");
            _values[name] = args[i + 1];
        }
    }

    public string? Find(string name) => _values.GetValueOrDefault(name);

    public string Text(string name) => Find(name) ?? throw new UsageException($"Option {name} is missing.");

    /// <summary>Returns a whole number of at least 1.</summary>
    public int Number(string name, int byDefault)
    {
        if (Find(name) is not { } text) return byDefault;
        return int.TryParse(text, out var number) && number >= 1
            ? number
            : throw new UsageException($"Option {name} must be a whole number of at least 1, but is '{text}'.");
    }

    /// <summary>Returns a number that may have a fraction.</summary>
    public double Double(string name, double byDefault)
    {
        if (Find(name) is not { } text) return byDefault;
        return double.TryParse(text, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new UsageException($"Option {name} must be a number, but is '{text}'.");
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
}
