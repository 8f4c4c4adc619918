namespace CondDiffusion.MLNet.Model;

/// <summary>Gathers what is wrong with options, so that one exception says all of it.</summary>
internal sealed class OptionErrors
{
    private readonly List<string> _errors = [];

    /// <summary>A sentence for each error; null where there are none.</summary>
    public string? Text => _errors.Count > 0 ? string.Join(" ", _errors) : null;

    public void Check(bool valid, string option, string expected, object? found)
    {
        if (!valid) _errors.Add($"{option} must be {expected}, but is {found ?? "null"}.");
    }
}
