using System.Collections;
using System.Text;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Model;

/// <summary>The description in a model file; ModelFileDamageTests has what is refused of a whole file.</summary>
[TestClass]
public sealed class ModelDescriptionTests
{
    [TestMethod]
    public void ToJson_Description_HasTheNamesOfExistingFiles()
    {
        var json = Encoding.UTF8.GetString((Tiny.Description with { GeneratesUnlabelled = true }).ToJson());
        Assert.Contains("\n  \"DrawsUnlabelled\": true,\n", json);
        Assert.IsTrue(ModelDescription.Parse(Encoding.UTF8.GetBytes(json)).GeneratesUnlabelled);
    }

    /// <summary>A file says no more than it has to, so that older libraries can read it.</summary>
    [TestMethod]
    public void ToJson_NetworkThatTakesTransforms_AloneHasItsPropertyAndFormat()
    {
        var told = Tiny.Description with { Network = Tiny.Description.Network with { TakesTransform = true } };
        Assert.Contains("\"TakesTransform\": true", Encoding.UTF8.GetString(told.ToJson()));
        Assert.IsTrue(ModelDescription.Parse(told.ToJson()).Network.TakesTransform);
        Assert.AreEqual(6, ModelDescription.Parse(told.ToJson()).Format);

        Assert.DoesNotContain("TakesTransform", Encoding.UTF8.GetString(Tiny.Description.ToJson()));
        Assert.AreEqual(3, Tiny.Description.WrittenFormat);
        var distilled = Tiny.Description with { DistilledSteps = 2 };
        Assert.AreEqual(5, distilled.WrittenFormat);
    }

    [TestMethod]
    public void Parse_NewerFormat_SaysWhatItNeeds() => Throws.Saying<FormatException>(
        () => ModelDescription.Parse("""{"New": {}, "Format": 7}"""u8),
        "needs a newer CondDiffusion.MLNet", "format 1.7", "up to 1.6");

    [TestMethod]
    public void Parse_SeveralFieldsOutOfRange_NamesAllAtOnce()
    {
        var description = Tiny.Description with
        {
            Network = Tiny.Description.Network with
            {
                Channels = 0,
                Height = 30,
                Width = -4,
                Labels = ModelLimits.Size + 1,
                EmbeddingSize = 0,
                Widths = [1, 0, 1],
            },
            Schedule = (BetaSchedule)9,
            Prediction = (PredictionTarget)9,
            Timesteps = ModelLimits.Timesteps + 1,
            LabelColumnName = " ",
            OutputColumnName = "",
            PixelsColumnName = "",
            Labels = new(2, ["cat"], (Microsoft.ML.Data.DataKind)99),
            Sampling = new()
            {
                Sampler = (Sampler)9,
                Precision = (Precision)9,
                GuidanceScale = -1,
                SeedColumnName = " ",
                Steps = 0,
            },
            BatchSize = -1,
        };
        var message = Assert.ThrowsExactly<FormatException>(() => ModelDescription.Parse(description.ToJson())).Message;
        foreach (var part in new[]
        {
            "Network.Channels must be from 1 to 16777216, but is 0.",
            "Network.Height must be a positive multiple of 4, but is 30.",
            "Network.Width must be a positive multiple of 4, but is -4.",
            "Network.Widths must be 3 numbers from 1 to 16777216, but is [1, 0, 1].",
            "Network.EmbeddingSize must be from 1 to 16777216, but is 0.",
            "Network.Labels must be from 1 to 16777216, but is 16777217.",
            "Labels.Values must be 2 texts, one for each label, but is 1.",
            "Labels.Kind must be the kind of a text, a boolean or a number, but is 99.",
            "Labels.Count must be 16777217, as in Network, but is 2.",
            "Schedule must be a value of its type, but is 9.",
            "Timesteps must be from 1 to 10000, but is 10001.",
            "Prediction must be a value of its type, but is 9.",
            "LabelColumnName must be a column name, but is \" \".",
            "OutputColumnName must be a column name, but is \"\".",
            "PixelsColumnName must be a column name, but is \"\".",
            "PixelsColumnName must be another column than OutputColumnName, but is \"\".",
            "Sampling.Steps must be from 1 to 10000, but is 0.",
            "Sampling.SeedColumnName must be a column name, but is \" \".",
            "Sampling.Sampler must be a value of its type, but is 9.",
            "Sampling.Precision must be a value of its type, but is 9.",
            "Sampling.GuidanceScale must be in [0, 1000], but is -1.",
            "LabelDropout must be above 0 in training for guidance",
            "BatchSize must be from 1 to 65536, but is -1.",
        }) Assert.Contains(part, message);
    }

    [TestMethod]
    [DataRow(null, "was trained with a label for every image (LabelDropout is 0)")]
    [DataRow(4, "was distilled, with a label for every image")]
    public void WhyLabelled_ModelThatNeedsLabels_IsTheReasonOfItsKind(int? distilledSteps, string expected)
    {
        var model = Tiny.Description with { DistilledSteps = distilledSteps };
        Throws.Saying<ArgumentException>(
            () => Conditions.Create(model, ["cat", null], seeds: null),
            $"A label is null, but this model {expected}.");
    }

    /// <summary>The second thread comes while the first one, which is the first to ask, lists the labels.</summary>
    [TestMethod]
    public void IndexOf_TwoThreadsAtFirst_KnowsEveryLabelForBoth()
    {
        var values = new WatchedTexts("cat", "dog");
        var labels = new LabelVocabulary(2, values);
        int? found = null;
        values.ReadingLast = () => found = Task.Run(() => labels.IndexOf("dog")).GetAwaiter().GetResult();

        Assert.AreEqual(0, labels.IndexOf("cat"));
        Assert.AreEqual(1, found);
    }

    /// <summary>43,690 images of 3 x 64 x 64 are just below 2 GB.</summary>
    [TestMethod]
    public void PossibleBatchSize_LargeImages_IsWhatAnArrayHolds()
    {
        var model = Tiny.Description with
        {
            Network = Tiny.Description.Network with { Channels = 3, Height = 64, Width = 64 },
        };
        Assert.AreEqual(43_690, (model with { BatchSize = 65_536 }).PossibleBatchSize);
        Assert.AreEqual(100, (model with { BatchSize = 100 }).PossibleBatchSize);
        Assert.IsNull((model with { BatchSize = null }).PossibleBatchSize);
    }

    /// <summary>A list of texts that does something before its last one is read for the first time.</summary>
    private sealed class WatchedTexts(params string[] texts) : IReadOnlyList<string>
    {
        public Action? ReadingLast { get; set; }

        public int Count => texts.Length;

        public string this[int index]
        {
            get
            {
                if (index == texts.Length - 1 && ReadingLast is { } action)
                {
                    ReadingLast = null;
                    action();
                }

                return texts[index];
            }
        }

        public IEnumerator<string> GetEnumerator() => texts.AsEnumerable().GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
