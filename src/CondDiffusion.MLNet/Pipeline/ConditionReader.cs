using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>Reads from an input row what decides its image: the label, the noise key and the guidance scale.</summary>
internal sealed class ConditionReader : IRowReader<Condition>
{
    private readonly GeneratedBindings _bindings;
    private readonly DataViewRow _input;
    private readonly Func<ulong> _getKey;
    private readonly Func<string>? _getLabelValue;
    private readonly ValueGetter<DataViewRowId> _getId;
    private readonly ValueGetter<long>? _getSeed;
    private readonly ValueGetter<float>? _getGuidance;

    public ConditionReader(GeneratedBindings bindings, DataViewRow input)
    {
        _bindings = bindings;
        _input = input;
        _getKey = KeyGetter.Create(input, bindings.Label);
        if (bindings.LabelValue is { } value && input.IsColumnActive(value))
            _getLabelValue = LabelKind.Find(LabelKind.FindName(value.Type)!.Value)!.CreateGetter(input, value);
        _getId = input.GetIdGetter();
        _getSeed = bindings.Seed is { } seed ? input.GetGetter<long>(seed) : null;
        _getGuidance = bindings.Guidance is { } guidance ? input.GetGetter<float>(guidance) : null;
    }

    /// <summary>Reads the current row's condition, whether or not an image can be generated for it.</summary>
    public Condition Read() => new(ReadLabel(), ReadNoiseKey(), ReadGuidance());

    /// <summary>Reads the current row's condition and checks that an image can be generated for it.</summary>
    /// <exception cref="InvalidOperationException">
    /// The row's label is missing and that is an error, or its guidance scale is not a scale.
    /// </exception>
    public Condition ReadChecked()
    {
        var condition = Read();
        if (condition.Label is null) throw MissingLabel();

        if (!SamplingOptions.IsScale(condition.Guidance))
        {
            throw new InvalidOperationException(
                $"Row {_input.Position}: column '{_bindings.Guidance!.Value.Name}' must be " +
                $"in [0, {ModelLimits.GuidanceScale}], but is {condition.Guidance}.");
        }

        return condition;
    }

    public void Dispose() => _input.Dispose();

    private int? ReadLabel()
    {
        var model = _bindings.Model;
        var key = _getKey();
        return key >= 1 && key <= (ulong)model.Labels.Count ? (int)key - 1 : model.MissingLabel;
    }

    private InvalidOperationException MissingLabel()
    {
        var model = _bindings.Model;
        var reason = _getLabelValue is null
            ? $"its key is missing, as for a value that is none of the model's {model.Labels}"
            : $"'{_getLabelValue()}' is none of the model's {model.Labels}";
        var cure = model.GeneratesUnlabelled
            ? $"To generate such rows without a label, set {nameof(SamplingOptions.MissingLabels)} in the sampling " +
                $"options to {MissingLabelBehavior.Unconditional}."
            : $"The model {model.WhyLabelled}, and cannot generate without one.";
        return new($"Row {_input.Position}: column '{_bindings.Label.Name}' has no label: {reason}. {cure}");
    }

    private UInt128 ReadNoiseKey()
    {
        if (_getSeed is not null)
        {
            long seed = 0;
            _getSeed(ref seed);
            return (ulong)seed;
        }

        DataViewRowId id = default;
        _getId(ref id);
        return new(id.High, id.Low);
    }

    private float ReadGuidance()
    {
        var scale = float.NaN;
        _getGuidance?.Invoke(ref scale);
        return float.IsNaN(scale) ? _bindings.Model.GuidanceScale : scale;
    }
}
