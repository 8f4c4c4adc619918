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
}
