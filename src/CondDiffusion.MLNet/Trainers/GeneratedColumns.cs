using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Trainers;

/// <summary>The columns that a trained generator adds, as an estimator promises them.</summary>
internal static class GeneratedColumns
{
    /// <summary>Adds the generated columns of a model.</summary>
    /// <param name="input">The columns of the training data, with the label column.</param>
    /// <param name="labelColumn">Name of the label column.</param>
    /// <param name="outputColumn">Name of the generated image column.</param>
    /// <param name="pixelsColumn">Name of the generated column of vectors; null for none.</param>
    /// <param name="height">Height of a generated image.</param>
    /// <param name="width">Width of a generated image.</param>
    public static SchemaShape Add(
        SchemaShape input, string labelColumn, string outputColumn, string? pixelsColumn, int height, int width)
    {
        var columns = input.ToDictionary(column => column.Name);
        var annotations = LabelVocabulary.Promise(columns[labelColumn]);
        columns[outputColumn] = MLNetInternals.Column(
            outputColumn, SchemaShape.Column.VectorKind.Scalar, new ImageDataViewType(height, width), annotations);
        if (pixelsColumn is not null)
        {
            columns[pixelsColumn] = MLNetInternals.Column(
                pixelsColumn, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, annotations);
        }

        return new(columns.Values);
    }
}
