using System.Runtime.CompilerServices;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// Collects what is wrong with options, so that one exception can name every one of them. A check takes the name of its
/// option from the caller's expression, without the object before the dot.
/// </summary>
internal sealed class OptionErrors
{
    private readonly List<string> _errors;
    private readonly string _prefix;

    public OptionErrors()
        : this([], prefix: "")
    {
    }

    private OptionErrors(List<string> errors, string prefix)
    {
        _errors = errors;
        _prefix = prefix;
    }

    /// <summary>A sentence for each error; null where there are none.</summary>
    public string? Text => _errors.Count > 0 ? string.Join(" ", _errors) : null;

    /// <summary>Returns a collection that adds its errors to this one, with the options named "owner.Option".</summary>
    /// <param name="owner">Name of the property that has the options; an empty one adds nothing.</param>
    public OptionErrors In(string owner) => owner.Length == 0 ? this : new(_errors, $"{_prefix}{owner}.");

    /// <summary>Adds the error "option must be expected, but is found." unless the option is valid.</summary>
    public void Check(bool valid, string option, string expected, object? found)
    {
        if (!valid) _errors.Add($"{_prefix}{Name(option)} must be {expected}, but is {found ?? "null"}.");
    }

    public void Positive(
        int value, int most = int.MaxValue, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value >= 1 && value <= most, option, most == int.MaxValue ? "at least 1" : $"from 1 to {most}", value);

    public void PositiveOrNull(
        int? value, int most = int.MaxValue, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (value is { } number) Positive(number, most, option);
    }

    public void Positive(double value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value > 0 && double.IsFinite(value), option, "positive and finite", value);

    public void Finite(double value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(double.IsFinite(value), option, "finite", value);

    public void Positive(TimeSpan value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value > TimeSpan.Zero, option, "positive", value);

    public void NotNegative(long value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value >= 0, option, "not negative", value);

    public void NotNegative(TimeSpan value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value >= TimeSpan.Zero, option, "not negative", value);

    public void NotNegative(double value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value >= 0 && double.IsFinite(value), option, "finite and not negative", value);

    /// <summary>Checks a guidance scale, which may be left open.</summary>
    public void ScaleOrNull(double? value, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (value is { } number)
            Check(SamplingOptions.IsScale(number), option, $"in [0, {ModelLimits.GuidanceScale}]", number);
    }

    /// <summary>Checks a fraction of which some must remain: 1 is not valid.</summary>
    public void Fraction(double value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value is >= 0 and < 1, option, "in [0, 1)", value);

    /// <summary>Checks a fraction that may be all: 1 is valid.</summary>
    public void FractionOrAll(double value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value is >= 0 and <= 1, option, "in [0, 1]", value);

    /// <summary>Checks the end of an interval of fractions that is open at its beginning.</summary>
    public void EndOfInterval(
        double value, double start, [CallerArgumentExpression(nameof(value))] string option = "",
        [CallerArgumentExpression(nameof(start))] string startOption = "") =>
        Check(value > start && value <= 1, option, $"above {Name(startOption)} and at most 1", value);

    /// <summary>Checks the end of an interval that is open at its beginning; null stands for no end.</summary>
    public void AboveOrNull(
        double? value, double start, [CallerArgumentExpression(nameof(value))] string option = "",
        [CallerArgumentExpression(nameof(start))] string startOption = "") => Check(
            value is null || (value > start && double.IsFinite(value.Value)),
            option,
            $"null, or finite and above {Name(startOption)}",
            value);

    /// <summary>Checks that a number is 0 unless a condition holds.</summary>
    /// <param name="condition">Whether other numbers are valid.</param>
    /// <param name="value">The number.</param>
    /// <param name="otherwise">What is the case where the condition does not hold.</param>
    /// <param name="option">Name of the option.</param>
    public void ZeroUnless(
        bool condition, int value, string otherwise, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(condition || value == 0, option, $"0 where {otherwise}", value);

    public void Defined<T>(T value, [CallerArgumentExpression(nameof(value))] string option = "")
        where T : struct, Enum => Check(Enum.IsDefined(value), option, "a value of its type", value);

    public void NotNull(object? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(value is not null, option, "given", value);

    public void ColumnName(string? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        NotBlank(value, option, "a column name");

    public void ColumnNameOrNull(string? value, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (value is not null) NotBlank(value, option, "a column name");
    }

    /// <summary>Checks that two columns have different names.</summary>
    public void AnotherColumn(
        string? value, string? other, [CallerArgumentExpression(nameof(value))] string option = "",
        [CallerArgumentExpression(nameof(other))] string otherOption = "") =>
        Check(value != other, option, $"another column than {Name(otherOption)}", $"\"{value}\"");

    public void PathOrNull(string? value, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (value is not null) NotBlank(value, option, "a directory's path or null");
    }

    private void NotBlank(string? value, string option, string expected) =>
        Check(!string.IsNullOrWhiteSpace(value), option, expected, $"\"{value}\"");

    /// <summary>Returns the last name of an expression such as "shape.Height".</summary>
    private static string Name(string expression) => expression[(expression.LastIndexOf('.') + 1)..];
}
