using CondDiffusion.Examples;
using CondDiffusion.MLNet.Evaluation;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>
/// Measures the generated images of a study by a classifier that has seen all training images of the data set.
/// </summary>
internal sealed class GeneratedQualityMeter(MLContext ml, ITransformer reference)
{
    /// <summary>Loads the reference classifier of a data set, or trains it where its file is missing.</summary>
    public static GeneratedQualityMeter Create(MLContext ml, string data, IDataView training)
    {
        var form = new ImageForm(StudyImages.Side, StudyImages.Side, 1);
        var file = QualityMeter.FindReference(data, form);
        return new(ml, ReferenceClassifier.LoadOrTrain(ml, training, form, file, default));
    }

    /// <summary>Compares the generated images of a study with its real ones, and so the test images.</summary>
    public GeneratedQuality Measure(Study study, StudyProtocol protocol, int seed, string command)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var real = Read(study.Real);
        var generated = Read(study.Generated);
        var test = Read(study.Test);
        var distances = new Distances(real.Features.mean([0], type: ScalarType.Float64), () => { });

        var authenticity = new double?[StudyImages.Labels];
        var testAuthenticity = new double?[StudyImages.Labels];
        var accuracy = new double?[StudyImages.Labels];
        for (var label = 0; label < StudyImages.Labels; label++)
        {
            var rows = generated.Find(label);
            if (rows.Length == 0) continue;

            accuracy[label] = rows.Average(row => generated.Predicted[row] == label ? 1.0 : 0);
            if (real.Find(label).Length < 2) continue;

            var copies = new CopyDetection(distances, real.Select(label));
            authenticity[label] = copies.ComputeAuthenticity(generated.Select(label));
            testAuthenticity[label] = copies.ComputeAuthenticity(test.Select(label));
        }

        return new()
        {
            Protocol = protocol,
            Seed = seed,
            Authenticity = authenticity,
            TestAuthenticity = testAuthenticity,
            LabelAccuracy = accuracy,
            Commit = Provenance.FindCommit(),
            Machine = Provenance.FindMachine(),
            Command = command,
        };
    }

    private SeenImages Read(IReadOnlyList<GreyImage> images)
    {
        var view = StudyImages.ToView(ml, images.Select(image => new WeightedImage(image)));
        var seen = reference.Transform(ml.Transforms.CopyColumns("Image", "Pixels").Fit(view).Transform(view));
        var names = ((ConvolutionalNetworkTransformer)reference).LabelValues!;
        var features = seen.GetColumn<float[]>(ReferenceClassifier.Features).ToArray();
        return new(
            [.. images.Select(image => image.Label)],
            [.. seen.GetColumn<uint>(ReferenceClassifier.PredictedLabel).Select(key => int.Parse(names[(int)key - 1]))],
            tensor(features.SelectMany(row => row).ToArray(), ScalarType.Float32, CPU).view(features.Length, -1));
    }

    /// <summary>Images as the reference classifier sees them.</summary>
    /// <param name="Labels">The label of each image.</param>
    /// <param name="Predicted">The label that the classifier sees.</param>
    /// <param name="Features">The features, (N, D).</param>
    private sealed record SeenImages(int[] Labels, int[] Predicted, Tensor Features)
    {
        /// <summary>Returns the rows of a label.</summary>
        public int[] Find(int label) => [.. Labels.Index().Where(row => row.Item == label).Select(row => row.Index)];

        /// <summary>Returns the features of a label.</summary>
        public Tensor Select(int label) => Features.index_select(0, tensor(Find(label), ScalarType.Int64, CPU));
    }
}
