using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Shows a row of the input with the generated columns added: the input's columns pass through, and the generated
/// columns read the pixels of the row's image.
/// </summary>
internal sealed class GeneratedRow : DataViewRow
{
    private readonly GeneratedBindings _bindings;
    private readonly DataViewRow _input;
    private readonly HashSet<int> _active;
    private readonly ConditionReader? _condition;
    private readonly Func<GeneratedRow, ReadOnlyMemory<float>> _generate;

    /// <param name="bindings">The columns of the input and of the output.</param>
    /// <param name="input">
    /// The row of the input, with the columns that the active ones depend on. It is disposed with this row.
    /// </param>
    /// <param name="active">The output columns that have getters.</param>
    /// <param name="generate">
    /// Returns the pixels of the current row's image, [C, H, W]; called whenever a generated value is read.
    /// </param>
    public GeneratedRow(
        GeneratedBindings bindings,
        DataViewRow input,
        IReadOnlyCollection<DataViewSchema.Column> active,
        Func<GeneratedRow, ReadOnlyMemory<float>> generate)
    {
        _bindings = bindings;
        _input = input;
        _active = [.. active.Select(column => column.Index)];
        _generate = generate;
        if (active.Any(bindings.IsGenerated)) _condition = new(bindings, input);
    }

    public override DataViewSchema Schema => _bindings.Output;

    public override long Position => _input.Position;

    public override long Batch => _input.Batch;

    /// <summary>Reads what the current row's image depends on. At least one generated column must be active.</summary>
    /// <exception cref="InvalidOperationException">
    /// No image can be generated for this row; the message says why.
    /// </exception>
    public Condition ReadCondition() => _condition!.ReadChecked();

    public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column)) throw RowErrors.Inactive(column);
        if (!_bindings.IsGenerated(column)) return _input.GetGetter<TValue>(_bindings.Input[column.Index]);

        var getter = _bindings.IsImage(column) ? CreateImageGetter(column) : CreatePixelsGetter();
        return getter as ValueGetter<TValue> ?? throw RowErrors.WrongType(column, typeof(TValue));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _input.Dispose();
        base.Dispose(disposing);
    }

    private Delegate CreateImageGetter(DataViewSchema.Column column)
    {
        var shape = _bindings.Model.Network.ToImageShape();

        // Each call returns a new image, which the reader owns. The image passed in is not disposed: its reader may
        // still hold it.
        return (ValueGetter<MLImage>)((ref image) =>
        {
            if (shape.Channels is not (1 or 3))
            {
                throw new InvalidOperationException(
                    $"Column '{column.Name}': an image has 1 or 3 channels, " +
                    $"but this model generates {shape.Channels}. " +
                    "Read them as vectors: set the option PixelsColumnName.");
            }

            image = PixelConversion.ToImage(_generate(this).Span, shape);
        });
    }

    private Delegate CreatePixelsGetter() => (ValueGetter<VBuffer<float>>)((ref values) =>
    {
        var pixels = _generate(this).Span;
        var editor = VBufferEditor.Create(ref values, pixels.Length);
        for (var i = 0; i < pixels.Length; i++) editor.Values[i] = Math.Clamp(pixels[i], -1, 1);
        values = editor.Commit();
    });
}
